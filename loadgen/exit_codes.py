"""Which of the project's exit codes a run ends with, and what each says of a run."""

from runtime.exit_codes import ExitCode

MEANING = {
    ExitCode.OK: "every acknowledged order is counted exactly once",
    ExitCode.DIFFERS: "one of its orders was lost or counted twice, or the two ends differ since it began",
    ExitCode.USAGE: "an option is wrong",
    ExitCode.UNREACHABLE: "the target does not answer, or is not ready to be measured",
    ExitCode.ERRORS: "more orders failed than --max-error-share allows",
    ExitCode.NOT_PROVEN: "the reconciliation did not come to an end in time",
}

# When several apply, the first of these is told.
GRAVITY = (ExitCode.DIFFERS, ExitCode.NOT_PROVEN, ExitCode.ERRORS, ExitCode.OK)
