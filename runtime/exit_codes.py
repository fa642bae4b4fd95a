"""Exit codes of all programs of the project."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Why a program ended."""

    OK = 0
    DIFFERS = 1
    USAGE = 2
    UNREACHABLE = 3
    ERRORS = 4
    START_FAILED = 5
    NOT_PROVEN = 6
    # A background task ended; the log has its name. The process was drained.
    BACKGROUND_ENDED = 7
    # A process did not drain within its grace period.
    NOT_DRAINED = 8
    # Invalid configuration, as in sysexits.h.
    CONFIG = 78
    INTERRUPTED = 130
