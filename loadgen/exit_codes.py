"""The exit codes of a run and their meanings."""

from runtime.exit_codes import ExitCode

MEANING = {
    ExitCode.OK: "every acknowledged order is counted exactly once",
    ExitCode.DIFFERS: "an order of the run was lost or counted twice, or the reconciliation has new findings",
    ExitCode.USAGE: "an option is invalid",
    ExitCode.UNREACHABLE: "the target does not respond, or is not ready",
    ExitCode.ERRORS: "more orders failed than --max-error-share allows",
    ExitCode.NOT_PROVEN: "the reconciliation did not finish in time",
}

# When several apply, the first of these is returned.
PRECEDENCE = (ExitCode.DIFFERS, ExitCode.NOT_PROVEN, ExitCode.ERRORS, ExitCode.OK)
