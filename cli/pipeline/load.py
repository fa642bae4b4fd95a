"""`ordermesh load`: the load generator."""

from __future__ import annotations

import sys

import typer

from cli.target import front_proxy
from loadgen.__main__ import main as loadgen
from runtime.grpc.client_tls import HTTPS
from stack.errors import ServerFailed

app = typer.Typer(add_completion=False)


# The load generator parses its own options and prints its own help.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def load(context: typer.Context) -> None:
    """Send orders at a fixed rate and verify that each is counted exactly once."""
    sys.exit(loadgen(context.args, "ordermesh load", local_front_proxy))


def local_front_proxy() -> tuple[str, str | None]:
    """Return the address and the credential of the local stack's front proxy. Raises ServerFailed."""
    try:
        front = front_proxy(None)
        address = front.address if front.address.startswith(HTTPS) else f"http://{front.address}"
        return address, front.credential
    except ServerFailed as error:
        raise ServerFailed(f"{error}, or set the front proxy with --target") from None
