"""Shares of places by client, and who a client is."""

from contextlib import ExitStack

import pytest

from runtime.errors import Overloaded
from runtime.identity.client_key import client_key
from runtime.identity.shares import Shares


def taken(shares: Shares, held: ExitStack, client: str, tries: int) -> int:
    """Try to hold places for a client; return how many it got."""
    got = 0
    for _ in range(tries):
        try:
            held.enter_context(shares.hold(client))
            got += 1
        except Overloaded:
            pass
    return got


def test_a_client_gets_no_more_than_its_share_and_gives_all_of_it_back() -> None:
    shares = Shares(64, 16)
    with ExitStack() as held:
        assert taken(shares, held, "a", 100) == 16
        assert taken(shares, held, "b", 1) == 1
    assert (shares.held, dict(shares._held)) == (0, {})


def test_the_last_quarter_is_for_clients_that_hold_nothing() -> None:
    shares = Shares(64, 16)
    with ExitStack() as held:
        assert sum(taken(shares, held, f"greedy-{number}", 16) for number in range(10)) < 64
        assert [taken(shares, held, f"late-{number}", 1) for number in range(3)] == [1, 1, 1]
        assert taken(shares, held, "late-0", 1) == 0


def test_a_refused_client_leaves_no_trace() -> None:
    shares = Shares(1, 1)
    with shares.hold("a"):
        with pytest.raises(Overloaded), shares.hold("b"):
            pass
        assert set(shares._held) == {"a"}


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        (None, ""),
        ([("user-agent", "x")], ""),
        ([("x-envoy-external-address", "127.0.0.2")], "127.0.0.2"),
        ([("x-envoy-external-address", "127.0.0.2"), ("x-ordermesh-client", "customer:c1")], "customer:c1"),
    ],
)
def test_a_client_is_the_caller_or_the_address_that_the_front_proxy_saw(
    metadata: list[tuple[str, str | bytes]] | None, key: str
) -> None:
    assert client_key(metadata) == key
