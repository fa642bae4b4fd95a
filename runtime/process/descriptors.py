"""How many files and connections a process may hold open: raised as far as it may, and told where it is little."""

from __future__ import annotations

import resource

from runtime.telemetry.logging import logger

# More than every process here can use; some programs reserve memory for as many as they may have.
WANTED = 65_536
# With fewer, a process runs out of them before it runs out of anything else.
NEEDED = 4_096


def raise_limit() -> int:
    """Raise the limit of this process, and of those that it starts, to what it may have; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def raise_or_warn() -> None:
    """Raise the limit, and say in the log when even the highest is little."""
    limit = raise_limit()
    if limit < NEEDED:
        logger().warning("few open files are allowed: raise the hard limit (ulimit -Hn)", limit=limit, needed=NEEDED)
