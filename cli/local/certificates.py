"""`ordermesh certs`: certificates of the stack's own authority, for the front port, services and clients."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.output.terminal import console, plain_table
from cli.recording import recorded
from runtime.audit.entries import Action
from stack.certificates.certificate_folder import AUTHORITY, DAYS, Certificate, CertificateFolder
from stack.errors import SettingInvalid
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder

Folder = Annotated[Path | None, typer.Option(help="The folder of the authority; that of the local stack by default.")]
Days = Annotated[float, typer.Option(min=0.01, max=3650, help="Days until it expires.")]
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Create, list or renew certificates of the stack's own authority, for TLS.",
)


def chosen(folder: Path | None) -> CertificateFolder:
    """Return the given folder, or that of the local stack."""
    if folder is not None:
        return CertificateFolder(folder.expanduser().absolute())
    return CertificateFolder(StateFolder(default_home()).certificates)


def recorded_of(folder: Path | None, action: Action) -> AbstractContextManager[None]:
    """Record what is done with the stack's own authority; another folder is no business of the stack."""
    return recorded(action) if folder is None else nullcontext()


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The name of its files: NAME.pem and NAME.key.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Host name or address of a server; repeatable. By default the name.")
    ] = None,
    days: Days = DAYS,
    folder: Folder = None,
) -> None:
    """Create a certificate for a server or a client, and the authority when there is none."""
    certificates = chosen(folder)
    with recorded_of(folder, Action("certs create", name, None, {"hosts": host or [name], "days": days})):
        made = certificates.create(name, host or [], days)
    show(certificates, made)


@app.command("list")
def list_certificates(folder: Folder = None) -> None:
    """List the certificates with their hosts and when they expire."""
    table = plain_table("certificate", "hosts", "expires")
    for one in chosen(folder).certificates():
        look = "yellow" if one.expires_soon else ""
        table.add_row(one.name, ", ".join(one.hosts), Text(f"{one.expires:%Y-%m-%d %H:%M} UTC", look))
    console.print(table)


@app.command()
def renew(
    name: Annotated[str | None, typer.Argument(help="The certificate; all but the authority by default.")] = None,
    days: Days = DAYS,
    folder: Folder = None,
) -> None:
    """Issue certificates again with new keys; a running front proxy serves its own at once, without an interruption."""
    certificates = chosen(folder)
    if name == AUTHORITY:
        raise SettingInvalid("the authority is not renewed: delete its folder to start with a new one")
    names = [one.name for one in certificates.certificates() if one.name != AUTHORITY] if name is None else [name]
    if not names:
        raise SettingInvalid(f"no certificates in {certificates.path}: `ordermesh certs create` makes one")
    for each in names:
        before = certificates.find(each)
        changed = {"hosts": list(before.hosts), "expires": before.expires}, {"days": days}
        with recorded_of(folder, Action("certs renew", each, *changed)):
            made = certificates.renew(each, days=days)
        show(certificates, made)


def show(certificates: CertificateFolder, one: Certificate) -> None:
    """Print where a certificate is and when it expires."""
    path = certificates.certificate_file(one.name)
    console.print(
        f"{path} and {certificates.key_file(one.name).name}, for {', '.join(one.hosts)}, "
        f"until {one.expires:%Y-%m-%d %H:%M} UTC; authority {certificates.authority_file}",
        soft_wrap=True,
    )
