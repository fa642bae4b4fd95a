"""Runs a whole stack as whoever starts it; used by the tests to be somebody who is not root."""

import os
import urllib.request
from pathlib import Path

from stack.running_stack import running_stack


def main() -> None:
    with running_stack(Path(os.environ["ORDERMESH_HOME"])) as running:
        owners = {Path(f"/proc/{one.pid}").stat().st_uid for one in running.stack.status.components.values() if one.pid}
        print(*owners)
        with urllib.request.urlopen(f"{running.rest}/orders") as reply:
            print(reply.status)


if __name__ == "__main__":
    main()
