"""As whom a process runs and what it may access, when root starts it."""

from __future__ import annotations

import json
import mimetypes
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from runtime.settings import FILE_SUFFIX
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.server_account import SERVICES, Account, may_read, own_account

# The packages that our programs import from where we do.
PACKAGES = ("runtime", "orders", "processor", "gateway", "ordermesh")
# Public certificates; not the folders of private keys beside them.
CERTIFICATES = (
    *(f"/etc/ssl/{name}" for name in ("certs", "cert.pem", "openssl.cnf")),
    *(f"/etc/pki/{name}" for name in ("tls/certs", "tls/cert.pem", "tls/openssl.cnf", "ca-trust/extracted")),
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)
# Where a process of a service finds itself.
PROCESSES = "/proc"
MEASURED = "COVERAGE_PROCESS_CONFIG"
FILES_OF_A_DSN = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
FILE_OF_KAFKA = ".location"


@dataclass(frozen=True)
class Privileges:
    """The account of a process, None for ours, and its confinement, None for what the account may access."""

    account: Account | None = None
    confinement: Confinement | None = None


OURS = Privileges()


def privileges(account: Account | None, allowed: Confinement, needed: Iterable[Path]) -> Privileges:
    """Return how a process runs that needs these paths: confined as its account, or as root where it cannot be.

    An account that cannot reach them passes the mode bits, which only a confined process may.
    """
    if account is None:
        return OURS
    if all(may_read(path, account) for path in needed):
        return Privileges(account, allowed)
    if confinement.enforced():
        return Privileges(replace(account, passes_modes=True), allowed)
    return OURS


def of_service(settings: Mapping[str, str], writable: Iterable[Path], ports: tuple[int, ...]) -> Privileges:
    """Return the privileges of one of our programs with these settings; it listens on these TCP ports."""
    if MEASURED in os.environ:
        # Coverage writes what it measures where only we may.
        return OURS
    code, files = list(interpreter()), list(files_of(settings))
    allowed = Confinement(
        readable=(*confinement.paths(*packages(), *files), *CERTIFICATES, *map(str, mimetypes.knownfiles), PROCESSES),
        executable=confinement.paths(*code),
        writable=confinement.paths(*writable),
        # Python looks for packages by the names in a folder.
        listable=confinement.paths(*{each.parent for each in packages()}),
        bind_ports=ports,
    )
    return privileges(own_account(SERVICES), allowed, [*code, *packages(), *files])


def notice() -> str:
    """Return what to tell of services that cannot have their account, an empty string when they can."""
    account = own_account(SERVICES)
    if account is None or confinement.enforced():
        return ""
    closed = [path for path in (*interpreter(), *packages()) if not may_read(path, account)]
    if not closed:
        return ""
    return (
        f"the services run as root: the account {SERVICES} has no access to {closed[0]}, "
        "and this kernel has no Landlock that would limit one that passes it"
    )


def interpreter() -> Iterator[Path]:
    """Yield where Python and the installed packages are."""
    found = {Path(sys.executable).resolve(), *map(Path, (sys.prefix, sys.base_prefix))}
    found |= {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    if site.ENABLE_USER_SITE:
        found.add(Path(site.getusersitepackages()))
    yield from sorted(path for path in found if path.exists())


def packages() -> list[Path]:
    """Return the folders of our packages. Not the source tree around them, which may have a stack's folder in it."""
    specs = [spec for name in PACKAGES if (spec := find_spec(name)) is not None]
    return sorted({Path(folder) for spec in specs for folder in spec.submodule_search_locations or ()})


def files_of(settings: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that settings name: secrets, certificates, keys and jars."""
    for variable, value in settings.items():
        if variable.endswith(FILE_SUFFIX):
            yield Path(value)
            yield from files_in(variable.removesuffix(FILE_SUFFIX), content(Path(value)))
        else:
            yield from files_in(variable, value)
    if "SSL_CERT_FILE" in os.environ:
        yield Path(os.environ["SSL_CERT_FILE"])


def files_in(variable: str, value: str) -> Iterator[Path]:
    """Yield the files in the value of a setting; an invalid one is reported by the program that gets it."""
    try:
        if variable.endswith("_DSN"):
            parameters = conninfo_to_dict(value)
            found = [parameters.get(name) for name in FILES_OF_A_DSN]
        elif variable.endswith("_PROPERTIES"):
            found = [text for name, text in json.loads(value or "{}").items() if name.endswith(FILE_OF_KAFKA)]
        elif variable.endswith(("_JAR", "_CERTIFICATE")):
            found = [value]
        else:
            return
    except (ProgrammingError, ValueError, AttributeError):
        return
    yield from (Path(str(path)) for path in found if path and os.path.isabs(str(path)))


def content(path: Path) -> str:
    """Return the text of a file, empty when it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeError):
        return ""
