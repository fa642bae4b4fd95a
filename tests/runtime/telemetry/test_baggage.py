"""W3C Baggage, up to what an event carries."""

import pytest

from runtime.telemetry.tracing import baggage


@pytest.mark.parametrize(
    ("headers", "carried"),
    [
        ([], ""),
        (["shop=berlin"], "shop=berlin"),
        (["shop=berlin;public", "a=b, c=%20d"], "shop=berlin;public,a=b, c=%20d"),
        (["a=" + "x" * 1022], "a=" + "x" * 1022),
        (["a=b", "c=" + "x" * 1100, "d=e"], "a=b"),
        (["a=" + "x" * 1100], ""),
        (["a=" + "x" * 1020 + ",b=c"], "a=" + "x" * 1020),
        (["stra\u00dfe=1"], ""),
    ],
)
def test_whole_members_are_carried_within_the_limit(headers: list[str], carried: str) -> None:
    metadata = [("x", "y"), *(("baggage", value) for value in headers)]
    assert baggage.from_metadata(metadata) == carried
    assert baggage.from_metadata(None) == ""
