"""Puts into the cache what a cluster is made of: programs of Go modules and of Debian, definitions, and images."""

import sys
import time

from prepare import debian_programs, definitions, go_programs, images, machine

try:
    machine.require()
except machine.MachineUnfit as error:
    sys.exit(str(error))
for what, make in (
    ("programs", lambda: go_programs.main([])),
    ("Debian packages", debian_programs.fetch),
    ("definitions of resources", definitions.fetch),
    ("images", images.make),
):
    started = time.monotonic()
    make()
    print(f"{what}: there after {time.monotonic() - started:.0f} s", flush=True)
