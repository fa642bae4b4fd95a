"""`python -m stack.observe.spans --listen ADDRESS --zipkin PORT --certificates FOLDER` takes spans until SIGTERM."""

from __future__ import annotations

import argparse
from pathlib import Path

from runtime.addresses import binding
from runtime.process.shutdown import on_signal
from runtime.settings import Settings
from runtime.telemetry.logging import configure
from stack.observe.client_tls import client_context
from stack.observe.spans.receiver import Zipkin, server

STOP_SECONDS = 3.0


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m stack.observe.spans", description=__doc__)
    parser.add_argument("--listen", required=True, help="unix:/path")
    parser.add_argument("--zipkin", type=int, required=True, help="the port of Zipkin on loopback")
    parser.add_argument("--certificates", type=Path, required=True, help="the folder of the client certificate")
    options = parser.parse_args()
    configure("spans", Settings.load())
    made = server(Zipkin(options.zipkin, client_context(options.certificates)))
    with binding(options.listen) as address:
        made.add_insecure_port(address)
        made.start()
    on_signal().wait()
    made.stop(STOP_SECONDS).wait()


if __name__ == "__main__":
    main()
