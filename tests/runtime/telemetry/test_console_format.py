"""Log lines for people: text of others in them does not reach the terminal as it is."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging
from runtime.settings import Settings
from runtime.telemetry import logging as ours
ours.configure("orders", Settings(log_format="{format}"))
logging.getLogger("librdkafka").error("from \\x1b[2J the\\nbroker")
ours.logger().info("an event", product="\\x1b[2J\\u202e\\nforged")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_text_of_others_is_escaped_in_log_lines(log_format: str) -> None:
    command = [sys.executable, "-c", PROGRAM.replace("{format}", log_format)]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert len(written.splitlines()) == 2
    assert "\x1b[2J" not in written
    assert "\u202e" not in written
    assert "the\\nbroker" in written
    assert "\\nforged" in written
