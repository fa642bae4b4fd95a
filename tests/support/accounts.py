"""Accounts that tests play: somebody who is not root, and a stranger on the same machine."""

from __future__ import annotations

from stack.processes.server_account import FALLBACK, Account, find

# Nobody is called this.
MADE_UP = Account(54_321, 54_321)


def somebody() -> Account:
    """Return an account that is neither root nor one of a stack's."""
    return find(FALLBACK) or MADE_UP
