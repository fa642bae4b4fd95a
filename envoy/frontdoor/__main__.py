"""Renders the configuration of a target (`python -m frontdoor --target compose`), or validates all (`--check`)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from frontdoor.check import validate
from frontdoor.policies import tls
from frontdoor.policies.identity import CONTAINER_KEYS, FrontSettings, Identity, Keys, identity_of
from frontdoor.policies.tracing import tracing_of
from frontdoor.render import render
from frontdoor.values import EnvoyConfigError, EnvoyValues
from runtime.exit_codes import ExitCode

LOCAL_RUN_DIR = Path("/run/ordermesh")


def local_values() -> EnvoyValues:
    """Return the values for one machine with default ports and two orders processes."""
    sockets = [LOCAL_RUN_DIR / f"orders-{index}.sock" for index in range(2)]
    return EnvoyValues.local(LOCAL_RUN_DIR, orders_sockets=sockets, access_log=Path("/dev/stdout"))


TARGETS: dict[str, Callable[[], EnvoyValues]] = {
    "local": local_values,
    "compose": lambda: of_settings(EnvoyValues.compose),
    "cluster": lambda: of_settings(EnvoyValues.cluster),
}


def of_settings(target: Callable[[Identity], EnvoyValues]) -> EnvoyValues:
    """Return the values of a target with what the settings say of callers, traces and logs."""
    settings = FrontSettings.load()
    values = target(identity_of(settings, CONTAINER_KEYS))
    return replace(values, tracing=tracing_of(settings), logs_subjects=settings.log_customer_key is None)


def main() -> int:
    """Render or check; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m frontdoor", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, help="the target to render")
    parser.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    parser.add_argument("--hosts", default="", help="further host names to serve, separated by commas, without ports")
    parser.add_argument("--service-prefix", default="", help="prefix of the services' names, as of a Helm release")
    parser.add_argument(
        "--connection-seconds", type=float, default=0, help="how long a client's connection lasts; 0: without limit"
    )
    for side, what in (("", "clients"), ("services-", "the services")):
        parser.add_argument(f"--{side}certificate", type=Path, help=f"PEM file of the certificate shown to {what}")
        parser.add_argument(f"--{side}key", type=Path, help="PEM file of its key")
    parser.add_argument("--client-ca", type=Path, help="PEM file of the authority of clients, who need certificates")
    parser.add_argument("--services-ca", type=Path, help="PEM file of the authority of the services")
    parser.add_argument("--check", action="store_true", help="validate every target with Envoy")
    options = parser.parse_args()
    if not options.check and not options.target:
        parser.error("either --target local|compose|cluster or --check is required")
    return check() if options.check else write(options)


def check() -> int:
    """Validate every target; return 1 when Envoy rejects one."""
    failed = 0
    for name, values in TARGETS.items():
        try:
            validate(render(checkable(values())))
        except EnvoyConfigError as error:
            print(f"{name}: invalid: {error}", file=sys.stderr)
            failed = 1
        else:
            print(f"{name}: valid")
    return failed


def checkable(values: EnvoyValues) -> EnvoyValues:
    """Return values with a file of keys that exists, as Envoy requires."""
    return replace(values, identity=Keys(os.devnull)) if isinstance(values.identity, Keys) else values


def write(options: argparse.Namespace) -> int:
    """Write the configuration of a target; return the exit code."""
    out: Path | None = options.out
    hosts = tuple(filter(None, options.hosts.split(",")))
    try:
        values = TARGETS[options.target]()
        own = certificates(out, "front-tls", options.certificate, options.key, options.client_ca)
        services = certificates(
            out, "services-tls", options.services_certificate, options.services_key, options.services_ca
        )
        if services is not None and not services.verifies:
            raise EnvoyConfigError("--services-certificate requires --services-ca")
        values = replace(
            values.prefixed(options.service_prefix),
            hosts=(*values.hosts, *hosts),
            tls=own,
            services_tls=services,
            connection_seconds=options.connection_seconds,
        )
        text = render(values)
    except EnvoyConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIG
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)
    return 0


def certificates(
    out: Path | None, name: str, certificate: Path | None, key: Path | None, authority: Path | None
) -> tls.Tls | None:
    """Write the files that tell Envoy where its certificates are, in a folder beside its configuration."""
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None or out is None:
        raise EnvoyConfigError("a certificate requires its key, and --out")
    folder = out.absolute().parent / name
    folder.mkdir(exist_ok=True)
    (folder / f"{tls.CERTIFICATE}.json").write_text(tls.certificate_files(certificate, key))
    if authority is not None:
        (folder / f"{tls.TRUSTED}.json").write_text(tls.trusted_files(authority))
    return tls.Tls(str(folder), verifies=authority is not None)


if __name__ == "__main__":
    sys.exit(main())
