"""Starts brokers with further listeners, each of which is advertised at another port, where a proxy listens.

A broker's configuration comes from its standard input. Its account may not be able to run our Python: this is bash with
sed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Ports and advertised ports by the listener's name.
Listeners = Mapping[str, tuple[int, int]]
# All brokers have the same command: the node id in what a broker reads says which of the programs is for it. Later
# lines replace earlier ones of the same name.
SCRIPT = """
known=$(cat)
node=$(sed -n "s/^node[.]id=//p" <<< "$known")
programs=("${@:2:$1}")
shift $(($1 + 1))
exec "$@" < <(printf "%s\\n" "$known"; sed -n "${programs[node - 1]}" <<< "$known")
"""


def prefix(brokers: Sequence[Listeners]) -> tuple[str, ...]:
    """Return the prefix of the brokers' command; `brokers` has the listeners of node 1, 2 and so on."""
    return "/bin/bash", "-c", SCRIPT, "bash", str(len(brokers)), *map(sed_program, brokers)


def sed_program(listeners: Listeners) -> str:
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
