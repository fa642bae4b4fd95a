"""The due times of calls for arrival profiles, in nanoseconds from the start. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Constant:
    """A constant rate in orders per second."""

    rate: float


@dataclass(frozen=True)
class Ramp:
    """A rate that changes linearly from one value to another."""

    start_rate: float
    end_rate: float


@dataclass(frozen=True)
class Steps:
    """Several constant rates in sequence, each for an equal part of the duration."""

    rates: tuple[float, ...]


Profile = Constant | Ramp | Steps


@dataclass(frozen=True, slots=True)
class DueCall:
    """A call that is due `due_ns` after the start and carries `order_count` orders."""

    due_ns: int
    order_count: int


def describe(profile: Profile) -> str:
    """Describe a profile, such as "100 to 2000 orders/s"."""
    match profile:
        case Constant(rate):
            return f"{rate:g} orders/s"
        case Ramp(start_rate, end_rate):
            return f"{start_rate:g} to {end_rate:g} orders/s"
        case Steps(rates):
            return ", then ".join(f"{rate:g}" for rate in rates) + " orders/s"


def count_orders(profile: Profile, duration_seconds: float) -> int:
    """Return the number of orders of a profile within the duration."""
    segments = _segments(profile, duration_seconds)
    return sum(_count_in(segment) for segment in segments)


def due_times(profile: Profile, duration_seconds: float) -> Iterator[int]:
    """Yield the due time of each order in nanoseconds from the start; never decreasing."""
    begin_seconds = 0.0
    for segment in _segments(profile, duration_seconds):
        for index in range(_count_in(segment)):
            yield round((begin_seconds + _time_of(segment, index)) * NANOSECONDS)
        begin_seconds += segment.seconds


def due_calls(profile: Profile, duration_seconds: float, batch_size: int) -> Iterator[DueCall]:
    """Yield the calls; a batch is due when its first order is, and the last batch may be smaller."""
    total = count_orders(profile, duration_seconds)
    for index, due_ns in enumerate(due_times(profile, duration_seconds)):
        if index % batch_size == 0:
            yield DueCall(due_ns, min(batch_size, total - index))


@dataclass(frozen=True)
class _Segment:
    start_rate: float
    end_rate: float
    seconds: float


def _segments(profile: Profile, duration_seconds: float) -> list[_Segment]:
    match profile:
        case Constant(rate):
            return [_Segment(rate, rate, duration_seconds)]
        case Ramp(start_rate, end_rate):
            return [_Segment(start_rate, end_rate, duration_seconds)]
        case Steps(rates):
            ends = [duration_seconds * index / len(rates) for index in range(len(rates) + 1)]
            lengths = [after - before for before, after in pairwise(ends)]
            return [_Segment(rate, rate, seconds) for rate, seconds in zip(rates, lengths, strict=True)]


def _count_in(segment: _Segment) -> int:
    area = (segment.start_rate + segment.end_rate) / 2 * segment.seconds
    return max(1, round(area))


def _time_of(segment: _Segment, index: int) -> float:
    """Return the due time of order `index` in seconds: the t at which start·t + slope·t²/2 reaches it."""
    slope = (segment.end_rate - segment.start_rate) / segment.seconds
    if slope == 0:
        return min(index / segment.start_rate, segment.seconds)
    root = math.sqrt(max(0.0, segment.start_rate**2 + 2 * slope * index))
    return min(2 * index / (segment.start_rate + root), segment.seconds)
