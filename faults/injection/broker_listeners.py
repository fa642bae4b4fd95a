"""Starts a broker with further listeners, each of which is advertised at another port, where a proxy listens.

A broker's configuration comes from its standard input. Its account may not be able to run our Python: this is a line of
bash with sed.
"""

from __future__ import annotations

from collections.abc import Mapping

# Later lines replace earlier ones of the same name.
SCRIPT = 'known=$(cat); program=$1; shift; exec "$@" < <(printf "%s\\n" "$known"; sed -n "$program" <<< "$known")'


def prefix(listeners: Mapping[str, tuple[int, int]]) -> tuple[str, ...]:
    """Return the prefix of a broker's command; `listeners` are ports and advertised ports by name."""
    return "/bin/bash", "-c", SCRIPT, "bash", sed_program(listeners)


def sed_program(listeners: Mapping[str, tuple[int, int]]) -> str:
    """Return the program that prints the lines to add; the listeners authenticate like CLIENTS."""
    names = {name.upper(): ports for name, ports in listeners.items()}
    own = "".join(f",{name}://127.0.0.1:{port}" for name, (port, _) in names.items())
    advertised = "".join(f",{name}://127.0.0.1:{port}" for name, (_, port) in names.items())
    protocols = "".join(f",{name}:SASL_PLAINTEXT" for name in names)
    logins = "".join(f"g;s/[.]clients[.]/.{name.lower()}./p;" for name in names)
    return (
        f"/^listeners=/s#$#{own}#p;"
        f"/^advertised[.]listeners=/s#$#{advertised}#p;"
        f"/^listener[.]security[.]protocol[.]map=/s#$#{protocols}#p;"
        f"/^listener[.]name[.]clients[.]/{{h;{logins}}}"
    )
