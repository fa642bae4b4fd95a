"""`ordermesh load`: the load generator."""

from __future__ import annotations

import sys

import typer

from cli.target import local_front_proxy as local_target
from loadgen.__main__ import main as loadgen
from runtime.grpc.client_tls import HTTPS
from stack.errors import ServerFailed

app = typer.Typer(add_completion=False)


# The load generator parses its own options and prints its own help.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def load(context: typer.Context) -> None:
    """Send orders at a fixed rate and verify that each is counted exactly once."""
    sys.exit(loadgen(context.args, "ordermesh load", local_front_proxy))


def local_front_proxy() -> str:
    """Return the address of the local stack's front proxy. Raises ServerFailed."""
    try:
        address = local_target()
        return address if address.startswith(HTTPS) else f"http://{address}"
    except ServerFailed as error:
        raise ServerFailed(f"{error}, or set the front proxy with --target") from None
