"""A script that starts a broker with more listeners: its configuration comes from standard input, one pipe, read once.

Each further listener is advertised at another port, where a proxy listens. Arguments: {name: [port, advertised port]}
as JSON, then the command. It imports the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys


def with_listeners(text: str, listeners: dict[str, tuple[int, int]]) -> str:
    """Return a broker's properties with further listeners, which authenticate like CLIENTS."""
    known = dict(line.partition("=")[::2] for line in text.splitlines())
    own = {
        "listeners": known["listeners"],
        "advertised.listeners": known["advertised.listeners"],
        "listener.security.protocol.map": known["listener.security.protocol.map"],
    }
    for name, (port, advertised) in listeners.items():
        upper = name.upper()
        own["listeners"] += f",{upper}://127.0.0.1:{port}"
        own["advertised.listeners"] += f",{upper}://127.0.0.1:{advertised}"
        own["listener.security.protocol.map"] += f",{upper}:SASL_PLAINTEXT"
        for key, value in known.items():
            if key.startswith("listener.name.clients."):
                own[key.replace(".clients.", f".{name}.")] = value
    return text + "".join(f"{key}={value}\n" for key, value in own.items())


def main() -> None:
    """Replace the standard input and run the command."""
    text = with_listeners(sys.stdin.read(), json.loads(sys.argv[1]))
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    os.dup2(reading, 0)
    os.execv(sys.argv[2], sys.argv[2:])  # the broker's own command


if __name__ == "__main__":
    main()
