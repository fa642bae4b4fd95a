"""Allocation of stock and backorder releases, without a database."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orders.stock import allocation, backorder_holds, stock_levels

PRODUCTS = ["a", "b", "c"]


NEEDS = st.dictionaries(st.sampled_from(PRODUCTS), st.integers(1, 6), min_size=1)


NOW_US = 10_000_000


def in_line(*wanted: dict[str, int]) -> list[backorder_holds.Backorder]:
    return [backorder_holds.Backorder(n + 1, str(n), needs, dict.fromkeys(needs, 0)) for n, needs in enumerate(wanted)]


@given(st.lists(st.integers(0, 12), min_size=3, max_size=3), st.lists(NEEDS, max_size=12), st.lists(NEEDS, max_size=8))
def test_stock_is_never_negative_and_every_unit_is_on_hand_or_allocated(
    stock: list[int], first: list[dict[str, int]], more: list[dict[str, int]]
) -> None:
    stocks = {product: stock_levels.Stock(units, 0) for product, units in zip(PRODUCTS, stock, strict=True)}
    allocated: Counter[str] = Counter()
    waiting = []
    for needs, decision in zip(first + more, allocation.allocate(stocks, first + more, NOW_US), strict=True):
        if decision.allocated:
            allocated.update(needs)
        else:
            waiting.append(needs)
            assert set(decision.missing) <= set(needs)
    check(stocks, stock, allocated, waiting)
    for product in PRODUCTS:
        stocks[product].add(3, NOW_US)
    released = allocation.release(stocks, in_line(*waiting), PRODUCTS, NOW_US)
    for needs, fits in zip(list(waiting), released, strict=True):
        if fits:
            allocated.update(needs)
            waiting.remove(needs)
    check(stocks, [units + 3 for units in stock], allocated, waiting)


def check(
    stocks: dict[str, stock_levels.Stock], stock: list[int], allocated: Counter[str], waiting: list[dict]
) -> None:
    for product, units in zip(PRODUCTS, stock, strict=True):
        found = stocks[product]
        assert found.on_hand >= 0
        assert found.on_hand + allocated[product] == units
        assert found.awaited == found.awaited_change == sum(needs.get(product, 0) for needs in waiting)


def test_a_new_order_gets_what_is_not_held_and_during_a_release_what_exceeds_backorders() -> None:
    held = stock_levels.Stock(on_hand=5, awaited=9, holder=1, held=3, held_until_us=NOW_US + 1)
    assert [d.missing for d in allocation.allocate({"a": held}, [{"a": 3}, {"a": 2}], NOW_US)] == [{"a": 1}, {}]
    held.held_until_us = NOW_US
    assert [d.allocated for d in allocation.allocate({"a": held}, [{"a": 3}], NOW_US)] == [True]
    releasing = stock_levels.Stock(on_hand=5, awaited=3, releasing=True)
    assert [d.allocated for d in allocation.allocate({"a": releasing}, [{"a": 2}, {"a": 1}], NOW_US)] == [True, False]


def test_a_release_proceeds_by_position_and_skips_orders_that_do_not_fit() -> None:
    stocks = {"a": stock_levels.Stock(5, 10), "b": stock_levels.Stock(0, 1)}
    waiting = in_line({"a": 6}, {"a": 1, "b": 1}, {"a": 3}, {"a": 3}, {"a": 2})
    assert allocation.release(stocks, waiting, PRODUCTS, NOW_US) == [False, False, True, False, True]
