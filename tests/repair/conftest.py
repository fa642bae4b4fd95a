"""A stack for each file, of which databases are restored and topics deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from broken_stack import BrokenStack
from seed import seeded_stack


@pytest.fixture(scope="module")
def broken() -> Iterator[BrokenStack]:
    with seeded_stack() as stack:
        made = BrokenStack(stack)
        # Products are known, and the first events are counted.
        made.order()
        assert made.reconcile() == "AGREES []"
        yield made
