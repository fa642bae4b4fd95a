"""The entry point of the `ordermesh` command."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line; an error that a person can act on ends it with one line.

    While the command's code is imported, Ctrl-C has its default action: it ends the process without a traceback.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.app import app

    try:
        app(prog_name="ordermesh")
    except (Exception, KeyboardInterrupt) as error:
        # Knows the errors of all clients, which take long to import.
        from cli.output.error_reports import end

        end(error)
    sys.exit(0)
