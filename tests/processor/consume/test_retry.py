"""How long a worker waits between attempts."""

from processor.consume import retry


def test_the_wait_doubles_up_to_a_limit_however_long_an_outage_lasts() -> None:
    assert [retry.wait_seconds(errors) for errors in (1, 2, 3, 5, 6, 100_000)] == [0.1, 0.2, 0.4, 1.6, 2.0, 2.0]
