from structlog.testing import capture_logs

from runtime.telemetry.outage import Outage


def test_an_outage_is_logged_once_and_its_end_once() -> None:
    outage = Outage("counting")
    with capture_logs() as logs:
        assert [outage.begins(OSError(f"broken {n}\n"), component="kafka") for n in range(3)] == [1, 2, 3]
        outage.ends()
        outage.ends()
    began, ended = logs
    common = {"work": "counting", "component": "kafka"}
    assert str(began.pop("error")) == "broken 0\n"
    assert began == {"event": "outage began", "log_level": "error", **common}
    assert ended.pop("duration_seconds") >= 0
    assert ended == {"event": "outage ended", "errors": 3, "log_level": "info", **common}


def test_work_without_an_outage_logs_nothing_and_the_next_outage_is_logged_again() -> None:
    outage = Outage("publishing")
    with capture_logs() as logs:
        outage.ends()
        outage.begins(OSError("first"), component="postgres")
        outage.ends()
        assert outage.begins(OSError("second"), component="kafka") == 1
    assert [(line["event"], line["component"]) for line in logs] == [
        ("outage began", "postgres"),
        ("outage ended", "postgres"),
        ("outage began", "kafka"),
    ]
