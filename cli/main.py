"""The entry point of the `ordermesh` command."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; expected errors end it with one line.

    While the code of a command is imported, Ctrl-C ends the process without a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.app import app

    try:
        app(prog_name="ordermesh")
    except (Exception, KeyboardInterrupt) as error:
        # Imported late: it imports the clients of all servers.
        from cli.output.error_reports import exit_with

        exit_with(error)
    sys.exit(0)
