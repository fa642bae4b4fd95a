"""Output: /dev/full answers every write with ENOSPC, as a full disk does."""

import os
import subprocess
import sys
from pathlib import Path

from runtime.telemetry.output import Output


def test_what_a_full_disk_does_not_take_is_dropped_and_told_when_it_takes_lines_again(tmp_path: Path) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    output = Output(descriptor, lambda lost, cause: f"{lost} lost: {cause}")
    for text in ("first\n", "second\n", "third\n"):
        assert output.write(text) == len(text)
    written = tmp_path / "written"
    file = os.open(written, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, descriptor)
    output.write("fourth\n")
    output.write("fifth\n")
    assert written.read_text() == "3 lost: [Errno 28] No space left on device\nfourth\nfifth\n"


def test_a_reader_that_left_costs_lines_only() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = Output(writing, lambda lost, cause: f"{lost}")
    assert output.write("nobody hears\n") == 13
    os.close(writing)


LOGS = """
import logging as library
from runtime.telemetry import logging
from runtime.settings import Settings
logging.configure("example", Settings())
logging.logger().error("something", number=1)
library.getLogger("library").warning("something else")
"""


def test_a_service_whose_log_is_full_goes_on_to_its_end() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", LOGS], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")
