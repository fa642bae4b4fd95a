"""UUIDv7 ids with microsecond precision, so that they sort by time (RFC 9562, 6.2, method 3). Pure."""

from __future__ import annotations

import random
import uuid

# Ids must be unique, not secret; a generator seeded by the operating system returns 62 bits in 0.1 µs.
_bits = random.SystemRandom().getrandbits(64)
_random = random.Random(_bits)  # noqa: S311  # see above
FIRST_RANDOM_BITS = 62
TIME_SHIFT = 80
FIRST = "00000000-0000-0000-0000-000000000000"
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


def uuid7(time_us: int) -> str:
    """Return a new id for a time in microseconds since 1970."""
    return as_text(_with_time(time_us) | _random.getrandbits(FIRST_RANDOM_BITS))


def with_bits(time_us: int, bits: int) -> str:
    """Return the id for a time that ends with given bits instead of random ones."""
    return as_text(_with_time(time_us) | bits & (1 << FIRST_RANDOM_BITS) - 1)


def lowest(time_us: int) -> str:
    """Return the lowest id that `uuid7` can return for a time."""
    return as_text(_with_time(time_us))


def time_ms(unique_id: uuid.UUID) -> int:
    """Return the time of an id in milliseconds since 1970."""
    return unique_id.int >> TIME_SHIFT


def _with_time(time_us: int) -> int:
    milliseconds, rest_us = divmod(time_us, 1000)
    return milliseconds << TIME_SHIFT | 7 << 76 | (rest_us * 4096 + 999) // 1000 << 64 | 2 << 62


def as_text(number: int) -> str:
    """Return a 128-bit number in the canonical form of a UUID."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
