"""What a process cannot do without ends it: drained, with a name in the log and an exit code of its own."""

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from runtime.process.background import BackgroundEnded, BackgroundThreads, serve_with_tasks


async def forever() -> None:
    await asyncio.Event().wait()


async def raises() -> None:
    raise ValueError("broken")


async def returns() -> None:
    return


async def is_cancelled() -> None:
    waited_for = asyncio.get_running_loop().create_future()
    waited_for.cancel()
    await waited_for


@pytest.mark.parametrize("work", [raises, returns, is_cancelled])
async def test_a_task_that_ends_in_any_way_drains_the_process_while_the_others_run(work) -> None:
    stop, other_ran_in_drain = asyncio.Event(), asyncio.Event()

    async def other() -> None:
        await stop.wait()
        other_ran_in_drain.set()
        await forever()

    async def serving() -> None:
        await stop.wait()
        await other_ran_in_drain.wait()

    with capture_logs() as logs, pytest.raises(BackgroundEnded, match="the-name"):
        await serve_with_tasks({"the-name": work(), "other": other()}, serving(), stop)
    assert [(log["task"], log["log_level"]) for log in logs] == [("the-name", "error")]


async def test_tasks_end_silently_with_the_process() -> None:
    stop = asyncio.Event()

    async def until_stop() -> None:
        await stop.wait()

    async def serving() -> None:
        await asyncio.sleep(0)
        stop.set()

    with capture_logs() as logs:
        await serve_with_tasks({"one": forever(), "two": until_stop()}, serving(), stop)
    assert logs == []


async def test_the_error_of_a_server_that_cannot_start_is_raised() -> None:
    async def serving() -> None:
        await asyncio.sleep(0)
        raise OSError("cannot listen")

    with pytest.raises(OSError, match="cannot listen"):
        await serve_with_tasks({"one": forever()}, serving(), asyncio.Event())


@pytest.mark.parametrize("fails", [True, False])
def test_a_thread_that_ends_stops_the_process(fails: bool) -> None:
    stop = threading.Event()
    threads = BackgroundThreads(stop)

    def work() -> None:
        if fails:
            raise ValueError("broken")

    with capture_logs() as logs:
        threads.start("the-thread", work)
        assert stop.wait(20)
    with pytest.raises(BackgroundEnded, match="the-thread"):
        threads.check()
    assert [log["task"] for log in logs] == ["the-thread"]


def test_a_thread_that_ends_after_stop_is_not_an_error() -> None:
    stop, done = threading.Event(), threading.Event()
    threads = BackgroundThreads(stop)

    def work() -> None:
        stop.wait()
        done.set()

    threads.start("the-thread", work)
    stop.set()
    assert done.wait(20)
    threads.check()
