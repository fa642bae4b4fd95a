from structlog.testing import capture_logs

from runtime.telemetry.outage import Outage


def test_an_outage_is_told_once_and_its_end_once() -> None:
    outage = Outage("counting")
    with capture_logs() as logs:
        assert [outage.begins(OSError(f"broken {n}\n"), part="kafka") for n in range(3)] == [1, 2, 3]
        outage.ends()
        outage.ends()
    down, up = logs
    assert down == {"event": "counting is held up", "error": "broken 0", "part": "kafka", "log_level": "error"}
    assert up.pop("stopped_seconds") >= 0
    assert up == {"event": "counting goes on", "errors": 3, "part": "kafka", "log_level": "info"}


def test_work_that_is_not_held_up_says_nothing_and_the_next_outage_is_told_anew() -> None:
    outage = Outage("publishing")
    with capture_logs() as logs:
        outage.ends()
        outage.begins(OSError("first"), part="postgres")
        outage.ends()
        assert outage.begins(OSError("second"), part="kafka") == 1
    assert [(line["event"], line["part"]) for line in logs] == [
        ("publishing is held up", "postgres"),
        ("publishing goes on", "postgres"),
        ("publishing is held up", "kafka"),
    ]
