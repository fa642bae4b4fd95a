import asyncio
from collections.abc import Sequence

import pytest

from loadgen.options import Options, Target
from loadgen.schedule import Constant, due_calls
from loadgen.sending.driver import Driver
from loadgen.transports.answers import ACCEPTED, CONNECTION_LOST, Answer
from loadgen.workload import PlannedOrder, Workload, encode_json


class Silent:
    """Never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        self.asked.set()
        await asyncio.Event().wait()
        return []

    async def close(self) -> None:
        pass


class Broken(Silent):
    """Fails in a way that no server can cause."""

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        raise LookupError("a fault of the generator")


class HalfLost(Silent):
    """Answers the second half of a batch only when it is asked again."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        self.sizes.append(len(orders))
        return [ACCEPTED] * 2 + [CONNECTION_LOST] * (len(orders) - 2)


def driver_over(transport: Silent, batch_size: int = 1, seconds: float = 3600) -> Driver:
    options = Options(
        Target("127.0.0.1", 1), profile=Constant(100), duration_seconds=seconds, batch_size=batch_size, retries=3
    )
    calls = due_calls(options.profile, seconds, batch_size)
    return Driver(options, calls, Workload(1, 10, 10, encode_json), transport)


async def test_told_twice_to_stop_it_gives_up_what_is_in_flight_and_counts_it_as_unanswered() -> None:
    transport = Silent()
    driver = driver_over(transport)
    running = asyncio.create_task(driver.run())
    await transport.asked.wait()
    driver.stop()
    assert not running.done()
    driver.stop()
    await running
    recorder = driver.recorder
    assert recorder.errors == {"abandoned": recorder.offered}
    assert recorder.unanswered == recorder.offered > 0


async def test_a_fault_of_the_generator_ends_the_run_and_is_not_hidden() -> None:
    with pytest.raises(LookupError, match="a fault of the generator"):
        await driver_over(Broken()).run()


async def test_only_what_has_no_answer_of_a_batch_is_sent_again() -> None:
    transport = HalfLost()
    driver = driver_over(transport, batch_size=6, seconds=0.06)
    await driver.run()
    assert transport.sizes == [6, 4, 2]
    assert driver.recorder.accepted == 6
    assert driver.recorder.retries == {"connection_lost": 6}
    assert driver.recorder.unanswered == 0
