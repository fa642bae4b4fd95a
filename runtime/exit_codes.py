"""Exit codes of all programs of the project."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Why a program ended."""

    # Success.
    OK = 0
    # A comparison failed: ends that differ, a component that is not ready, an id that does not exist.
    DIFFERS = 1
    # An option or argument is invalid.
    USAGE = 2
    # The target does not respond, or is not ready.
    UNREACHABLE = 3
    # More orders failed than the load generator accepts (`--max-error-share`).
    ERRORS = 4
    # A program could not start: a port is taken, a server does not respond, a migration failed.
    START_FAILED = 5
    # The reconciliation did not finish in time.
    NOT_PROVEN = 6
    # A background task ended; the log has its name. The process was drained.
    BACKGROUND_ENDED = 7
    # A process did not drain within its grace period.
    NOT_DRAINED = 8
    # Invalid configuration, as in sysexits.h.
    CONFIG = 78
    # Ctrl-C.
    INTERRUPTED = 130
