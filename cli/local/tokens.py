"""`ordermesh tokens rotate`: changes the key that signs page tokens and revisions."""

from __future__ import annotations

import typer

from cli.output.terminal import console
from cli.recording import recorded
from runtime.audit.entries import Action
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.servers.credentials import rotate_token_keys

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Change the key that signs page tokens and revisions."
)


@app.callback()
def tokens() -> None:
    """Change the key that signs page tokens and revisions."""


@app.command()
def rotate() -> None:
    """Sign tokens with a new key from the next start on; those of the key before stay valid."""
    with recorded(Action("tokens rotate", "the key that signs tokens", None, None)):
        rotate_token_keys(StateFolder(default_home()).credentials)
    console.print(
        "new tokens are signed with a new key from the next `ordermesh up` on; tokens of the key before are valid"
    )
