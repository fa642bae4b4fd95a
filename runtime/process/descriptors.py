"""The limit of open files and connections of a process."""

from __future__ import annotations

import resource

from runtime.telemetry.logging import logger

# More than any process here uses; some programs reserve memory in proportion to the limit.
WANTED = 65_536
# With fewer, descriptors run out before any other resource.
NEEDED = 4_096


def raise_limit() -> int:
    """Raise the soft limit of this process and its future children as far as permitted; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def raise_or_warn() -> None:
    """Raise the limit, and log a warning when the hard limit is too low."""
    limit = raise_limit()
    if limit < NEEDED:
        logger().warning(
            "limit of open files is low: raise the hard limit (ulimit -Hn)",
            open_files_limit=limit,
            open_files_needed=NEEDED,
        )
