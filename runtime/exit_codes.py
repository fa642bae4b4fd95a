"""The exit codes of every program of the project, by name."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Why a process ended."""

    OK = 0
    DIFFERS = 1
    USAGE = 2
    UNREACHABLE = 3
    ERRORS = 4
    START_FAILED = 5
    NOT_PROVEN = 6
    # A background task ended; the log names it, and the process drained.
    BACKGROUND_ENDED = 7
    # A process that was asked to stop had not finished in its time.
    NOT_DRAINED = 8
    # As in sysexits.h: something is wrong with the configuration.
    CONFIG = 78
    INTERRUPTED = 130
