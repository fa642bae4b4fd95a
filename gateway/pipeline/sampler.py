"""Asks every part once a second how far it is, keeps the last seconds, and notes when a part goes or comes back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import grpc
from confluent_kafka import KafkaException
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus

from gateway.backends.event_log import EventLog
from gateway.backends.grpc_backend import Analytics, Orders
from gateway.pipeline.component_states import Component, Pulse, Sample, State, states
from gateway.pipeline.pipeline_status import WINDOW_SECONDS, status
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

Answer = TypeVar("Answer")

INTERVAL_SECONDS = 1.0
FRESH_SECONDS = 0.2
PART_SECONDS = 2.0
WORDS = {
    Component.UP: "up",
    Component.DOWN: "down",
    Component.DEGRADED: "degraded",
    Component.DRAINING: "draining",
    Component.STATE_UNSPECIFIED: "not known",
}


def never() -> float | None:
    """Say that Envoy never asked for our health."""
    return None


class Sampler:
    """Holds the last seconds of the pipeline."""

    def __init__(
        self,
        orders: Orders,
        analytics: Analytics,
        log: EventLog,
        fresh_seconds: float = FRESH_SECONDS,
        envoy_seen_seconds: Callable[[], float | None] = never,
    ) -> None:
        self._envoy_seen_seconds = envoy_seen_seconds
        self._draining = False
        self._orders = orders
        self._analytics = analytics
        self._log = log
        self._fresh_seconds = fresh_seconds
        self._publisher = Pulse()
        self._samples: deque[Sample] = deque()
        self._components: dict[str, Component] = {}
        self._taking = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Take a sample a second until `stop`."""
        while not await pause(stop, INTERVAL_SECONDS if self._samples else 0):
            await self.status()
        self._draining = True

    async def status(self) -> PipelineStatus:
        """Return how the pipeline is now; who asks at the same time shares an answer."""
        async with self._taking:
            now = time.monotonic()
            if not self._samples or now - self._samples[-1].taken_seconds > self._fresh_seconds:
                self._keep(await self._take())
            return status(self._samples, list(self._components.values()))

    async def _take(self) -> Sample:
        problems: dict[str, str] = {}
        orders, analytics, log, orders_processes, analytics_processes = await asyncio.gather(
            self._ask("orders", self._orders.progress(PART_SECONDS), problems),
            self._ask("analytics", self._analytics.progress(PART_SECONDS), problems),
            self._ask("kafka", self._log.state(PART_SECONDS), problems),
            self._orders.processes(PART_SECONDS, explain),
            self._analytics.processes(PART_SECONDS, explain),
        )
        return Sample(
            taken_seconds=time.monotonic(),
            as_of=datetime.now(UTC),
            orders=orders,
            analytics=analytics,
            log=log,
            problems=problems,
            orders_processes=orders_processes,
            analytics_processes=analytics_processes,
            envoy_seen_seconds=self._envoy_seen_seconds(),
            draining=self._draining,
        )

    async def _ask(self, part: str, answer: Awaitable[Answer], problems: dict[str, str]) -> Answer | None:
        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            problems[part] = explain(error)
        except KafkaException as error:
            problems[part] = self._log.explain(error)
        except TimeoutError:
            problems[part] = f"no answer within {PART_SECONDS:g} s"
        return None

    def _keep(self, sample: Sample) -> None:
        self._samples.append(sample)
        while sample.taken_seconds - self._samples[0].taken_seconds > WINDOW_SECONDS:
            self._samples.popleft()
        for name, state in states(self._samples, self._publisher).items():
            self._note(name, state, sample.as_of)

    def _note(self, name: str, state: State, now: datetime) -> None:
        """Keep a part's state, with the time since which it is in it."""
        value = state.value
        known = self._components.get(name)
        metrics.COMPONENT_UP.labels(name).set(value == Component.UP)
        if known is not None and known.state == value:
            known.message = state.message
            return
        since = Timestamp()
        since.FromDatetime(now)
        self._components[name] = Component(name=name, state=value, state_change_time=since, message=state.message)
        level = logger().info if value == Component.UP else logger().warning
        level("component changed", component=name, state=WORDS[value], reason=state.message)


def explain(error: grpc.aio.AioRpcError) -> str:
    """Say in a few words why a service does not answer."""
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer within {PART_SECONDS:g} s"
    if error.code() == grpc.StatusCode.UNAVAILABLE and "connect" in (error.details() or ""):
        return "nothing listens there"
    return error.details() or error.code().name


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until `stop`; tell whether it is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
