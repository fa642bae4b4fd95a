"""Bytes for tests that fuzz: arbitrary ones, and valid ones that were changed."""

from __future__ import annotations

from hypothesis import strategies as st

MAX_ARBITRARY = 256


@st.composite
def changed(draw: st.DrawFn, valid: bytes) -> bytes:
    """Draw valid bytes with up to four changes: bytes set, inserted, removed, the end cut or doubled."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["set", "insert", "remove", "cut", "double"])):
            case "set" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=12))
            case "remove":
                del data[at : at + draw(st.integers(1, 12))]
            case "cut":
                del data[at:]
            case _:
                data += data[at:]
    return bytes(data)


def fuzzed(*valid: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy of arbitrary bytes and of these valid ones with changes."""
    return st.one_of(st.binary(max_size=MAX_ARBITRARY), *(changed(each) for each in valid))
