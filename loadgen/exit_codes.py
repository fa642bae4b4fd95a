"""The exit codes of a run, named."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a run's exit code says; the gravest that applies wins, in the order of `GRAVITY`."""

    AGREES = 0
    DIFFERS = 1
    BAD_USAGE = 2
    NOT_REACHABLE = 3
    TOO_MANY_ERRORS = 4
    NOT_PROVEN = 5


EXIT_MEANING = {
    ExitCode.AGREES: "every acknowledged order is counted exactly once",
    ExitCode.DIFFERS: "something was lost or counted twice",
    ExitCode.BAD_USAGE: "an option is wrong",
    ExitCode.NOT_REACHABLE: "the target does not answer, or is not ready to be measured",
    ExitCode.TOO_MANY_ERRORS: "more orders failed than --max-error-share allows",
    ExitCode.NOT_PROVEN: "the reconciliation did not come to an end in time",
}

GRAVITY = (ExitCode.DIFFERS, ExitCode.NOT_PROVEN, ExitCode.TOO_MANY_ERRORS, ExitCode.AGREES)
