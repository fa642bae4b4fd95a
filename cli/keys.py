"""`ordermesh keys create | list | revoke | rotate | operator`: the API keys of the stack in the state folder.

The commands work whether the stack runs or not. A running front proxy applies a change to the next calls.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.output.formats import date_time
from cli.output.terminal import console, plain_table
from cli.recording import move_entries, recorded
from cli.target import local_status
from runtime.audit.entries import Action
from runtime.identity.client_credential import AUTHORIZATION, bearer
from stack.errors import SettingInvalid
from stack.identity.api_key import ROLES, new_id
from stack.identity.key_registry import KeyRegistry
from stack.identity.own_credentials import SUBJECT, TOKEN_SECONDS, own_key, own_token
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Create, list, revoke or rotate the API keys of callers.",
)
KeyId = Annotated[str, typer.Argument(help="An id from `ordermesh keys list`.", show_default=False)]


@app.command()
def create(
    role: Annotated[str, typer.Option(help="customer, operator or analyst.", autocompletion=lambda: list(ROLES))],
    subject: Annotated[
        str | None, typer.Option(help="The caller; for a customer its customer id. Default: the role.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the key is for, for `keys list`.")] = "",
) -> None:
    """Make a key and print it. It is shown this once."""
    if subject is None and role == "customer":
        raise SettingInvalid("--subject is required for a customer: its customer id")
    subject = role if subject is None else subject
    made_id = new_id()
    with recorded(Action("keys create", f"{role}:{subject}", None, {"id": made_id, "name": name})):
        made = registry().create(role, subject, name, key_id=made_id)
    show_once(made)


@app.command("list")
def list_keys() -> None:
    """List the keys in force, without the keys themselves."""
    table = plain_table("id", "role", "subject", "name", "created", "ends with", "valid until")
    for key in registry().current():
        until = "" if key.expires is None else f"{date_time(datetime.fromtimestamp(key.expires, UTC))}Z"
        table.add_row(key.id, key.role, key.subject, key.name, key.created, key.ending, until)
    console.print(table)


@app.command()
def revoke(key_id: KeyId) -> None:
    """Make a key invalid within a second."""
    with recorded(Action("keys revoke", key_id, known(key_id), None)):
        revoked = registry().revoke(key_id)
    console.print(f"{revoked.id} of {revoked.client} is revoked")


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[
        str, typer.Option(help="How long the old key stays valid, such as 30s, 10m, 1h or 7d; needs a running stack.")
    ] = "0s",
) -> None:
    """Replace a key by a new one of the same caller, and print that. It is shown this once."""
    seconds = seconds_of(grace)
    if seconds and local_status() is None:
        raise SettingInvalid(
            "--grace needs a running stack, which ends it: create a new key, and revoke the old one later"
        )
    made_id = new_id()
    with recorded(Action("keys rotate", key_id, known(key_id), {"id": made_id, "grace_seconds": seconds})):
        made = registry().rotate(key_id, seconds, made_id)
    show_once(made)


@app.command()
def operator(
    quiet: Annotated[bool, typer.Option("--quiet", help="Make it when there is none, and print nothing.")] = False,
    header: Annotated[bool, typer.Option("--header", help="Print it as a header, for `| curl -H @- URL`.")] = False,
) -> None:
    """Print the credential of the stack's own commands, for use in a shell: a key, or a token of one day."""
    status = local_status()
    state = StateFolder(default_home())
    if status is not None and status.authentication == "jwt":
        with recorded(Action("keys operator", f"operator:{SUBJECT}", None, {"seconds": TOKEN_SECONDS})):
            credential = own_token(state)
    else:
        # It is recorded when it is made.
        credential = own_key(state)
        move_entries("keys create")
    if not quiet:
        typer.echo(f"{AUTHORIZATION}: {bearer(credential)}" if header else credential)


def registry() -> KeyRegistry:
    """Return the registry of the state folder."""
    return KeyRegistry(StateFolder(default_home()))


def known(key_id: str) -> dict[str, object] | None:
    """Return what is known of a key, without the key; None if there is none."""
    found = next((key for key in registry().current() if key.id == key_id), None)
    return None if found is None else {"client": found.client, "name": found.name, "created": found.created}


def show_once(secret: str) -> None:
    """Print a new key to standard output, and what to do with it to standard error."""
    typer.echo(secret)
    if sys.stdout.isatty():
        typer.echo("keep it: it is not shown again; send it as `authorization: Bearer KEY`", err=True)


def seconds_of(text: str) -> int:
    """Return a duration in seconds. Raises SettingInvalid."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise SettingInvalid(f"--grace must be a number with s, m, h or d, such as 1h, is {text!r}")
    return int(found[1]) * UNITS[found[2]]
