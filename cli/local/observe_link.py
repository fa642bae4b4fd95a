"""What a person opens or types for what `up --observe` and `up --logs` started, with the login."""

from __future__ import annotations

import shlex

from stack.errors import ServerFailed
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder
from stack.servers.credentials import OBSERVE, load_or_create
from stack.supervision.status import StackStatus

# The lines of a trace by their times, without what OpenSearch tells of its search.
OF_A_TRACE = "_search?q=trace.id:TRACE_ID&sort=@timestamp&filter_path=hits.hits._source&pretty"


def search_by_trace(status: StackStatus) -> str:
    """Return the command that shows the lines of a trace, whose id takes the place of TRACE_ID."""
    # Imported with it only.
    from stack.observe.observation import CURL_LOGIN

    login = shlex.quote(str(StateFolder(default_home()).observe / CURL_LOGIN))
    return f"curl -s -K {login} '{status.addresses['observe']}/logs/{OF_A_TRACE}'"


def observe_link(status: StackStatus, path: str = "/") -> str:
    """Return the address of a path of the observe front. Raises ServerFailed when the stack has none."""
    address = status.addresses.get("observe")
    if address is None:
        raise ServerFailed("the stack runs without it: start it with `ordermesh up --observe`")
    # Imported with it only.
    from stack.observe.observation import link

    return link(address, load_or_create(StateFolder(default_home()).credentials).password(OBSERVE), path)
