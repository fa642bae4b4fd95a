"""The command `python -m loadgen`."""

import sys
from collections.abc import Callable, Sequence

from loadgen.options import OptionError, parse
from loadgen.report.progress import open_screen
from loadgen.report.text import print_closing, print_opening
from loadgen.session import run
from loadgen.target import TargetNotReady
from runtime.exit_codes import ExitCode
from runtime.identity.client_credential import CredentialSettings
from runtime.telemetry.console import EscapingConsole
from runtime.telemetry.output import Output


def main(
    argv: Sequence[str],
    program: str = "python -m loadgen",
    target: Callable[[], tuple[str, str | None]] | None = None,
) -> int:
    """Run the load generator and return the exit code; `program` is the name shown in the help.

    `target` returns the URL of the front proxy and its credential when the command line has no URL, and may raise.
    """
    # The result is the exit code and the file; an error of standard output must not end a run.
    output = Output(sys.stdout.fileno(), lambda lost, cause: f"({lost} writes lost: {cause})")
    console = EscapingConsole(file=output)
    errors = EscapingConsole(stderr=True)
    try:
        options = parse(argv, program, target, CredentialSettings.load().credential)
        print_opening(console, options)
        result = run(options, open_screen(console))
    except OptionError as error:
        errors.print(f"{program}: {error}", soft_wrap=True)
        return ExitCode.USAGE
    except TargetNotReady as error:
        errors.print(f"{program}: {error}", soft_wrap=True)
        return ExitCode.UNREACHABLE
    print_closing(console, result)
    if options.output is not None and (problem := result.write(options.output)):
        errors.print(f"{program}: --output: {problem}", soft_wrap=True)
        return ExitCode.USAGE
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
