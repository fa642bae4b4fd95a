"""`python -m stack.downloads lock` updates the lock files; `fetch NAME` downloads a set and prints its folder."""

from __future__ import annotations

import sys

from stack.downloads.jar_sets import JAR_SETS, OBSERVE_JAR_SETS, OPENSEARCH_ARCHIVES
from stack.errors import StackError


def main(arguments: list[str]) -> int:
    """Return 0, 1 when a download fails, or 2 for other arguments."""
    by_name = {one.name: one for one in (*JAR_SETS, *OBSERVE_JAR_SETS, OPENSEARCH_ARCHIVES)}
    match arguments:
        case ["lock"]:
            for one in by_name.values():
                print(f"{one.lock.name}: {one.update_lock()} locked")
        case ["fetch", name] if name in by_name:
            try:
                print(by_name[name].ensure())
            except StackError as error:
                print(error, file=sys.stderr)
                return 1
        case _:
            print(f"usage: python -m stack.downloads lock | fetch {{{','.join(by_name)}}}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
