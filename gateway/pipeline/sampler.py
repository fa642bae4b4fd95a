"""Samples every component once a second, keeps the last samples, and logs changes of their states."""

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

from gateway.backends.analytics import AnalyticsBackend
from gateway.backends.event_topics import EventLog
from gateway.backends.orders import OrdersBackend
from gateway.pipeline import kafka_metrics
from gateway.pipeline.component_states import component_states
from gateway.pipeline.pipeline_status import WINDOW_SECONDS, pipeline_status
from gateway.pipeline.publisher_state import HeartbeatMonitor
from gateway.pipeline.sample import Component, Sample, State
from runtime.process.shutdown import stops_within
from runtime.telemetry import metrics
from runtime.telemetry.logging import logger

Answer = TypeVar("Answer")

INTERVAL_SECONDS = 1.0
FRESH_SECONDS = 0.2
COMPONENT_SECONDS = 2.0
STATE_WORDS = {
    Component.UP: "up",
    Component.DOWN: "down",
    Component.DEGRADED: "degraded",
    Component.DRAINING: "draining",
    Component.STATE_UNSPECIFIED: "unknown",
}


def never() -> float | None:
    """Return None: Envoy has not checked the gateway's health."""
    return None


def not_yet() -> PipelineStatus.Reconciliation:
    """Return that nothing was reconciled."""
    return PipelineStatus.Reconciliation()


class Sampler:
    """Holds the last samples, and the state of each component."""

    def __init__(
        self,
        orders: OrdersBackend,
        analytics: AnalyticsBackend,
        log: EventLog,
        fresh_seconds: float = FRESH_SECONDS,
        envoy_seen_seconds: Callable[[], float | None] = never,
        reconciled: Callable[[], PipelineStatus.Reconciliation] = not_yet,
    ) -> None:
        self._reconciled = reconciled
        self._envoy_seen_seconds = envoy_seen_seconds
        self._draining = False
        self._orders = orders
        self._analytics = analytics
        self._log = log
        self._fresh_seconds = fresh_seconds
        self._publisher_heartbeat = HeartbeatMonitor()
        self._samples: deque[Sample] = deque()
        self._status = PipelineStatus()
        self._components: dict[str, Component] = {}
        self._taking = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Take a sample a second until `stop`."""
        while not await stops_within(stop, INTERVAL_SECONDS if self._samples else 0):
            await self.status()
        self._draining = True

    async def status(self) -> PipelineStatus:
        """Return the current status; concurrent callers share a sample and the message, which they must not change."""
        async with self._taking:
            now = time.monotonic()
            if not self._samples or now - self._samples[-1].taken_seconds > self._fresh_seconds:
                self._keep(await self._take())
                self._status = pipeline_status(self._samples, list(self._components.values()), self._reconciled())
            return self._status

    async def _take(self) -> Sample:
        problems: dict[str, str] = {}
        orders, analytics, log, orders_processes, analytics_processes = await asyncio.gather(
            self._ask("orders", self._orders.progress(COMPONENT_SECONDS), problems),
            self._ask("analytics", self._analytics.progress(COMPONENT_SECONDS), problems),
            self._ask("kafka", self._log.state(COMPONENT_SECONDS), problems),
            self._orders.processes(COMPONENT_SECONDS, explain),
            self._analytics.processes(COMPONENT_SECONDS, explain),
        )
        return Sample(
            taken_seconds=time.monotonic(),
            read_time=datetime.now(UTC),
            orders=orders,
            analytics=analytics,
            log=log,
            problems=problems,
            orders_processes=orders_processes,
            analytics_processes=analytics_processes,
            envoy_seen_seconds=self._envoy_seen_seconds(),
            draining=self._draining,
        )

    async def _ask(self, component: str, answer: Awaitable[Answer], problems: dict[str, str]) -> Answer | None:
        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            problems[component] = explain(error)
        except KafkaException as error:
            problems[component] = self._log.explain(error)
        except TimeoutError:
            problems[component] = f"no answer within {COMPONENT_SECONDS:g} s"
        return None

    def _keep(self, sample: Sample) -> None:
        self._samples.append(sample)
        while sample.taken_seconds - self._samples[0].taken_seconds > WINDOW_SECONDS:
            self._samples.popleft()
        if sample.log is not None:
            kafka_metrics.record(sample.log)
        for name, state in component_states(self._samples, self._publisher_heartbeat).items():
            self._note(name, state, sample.read_time)

    def _note(self, name: str, state: State, now: datetime) -> None:
        """Keep the state of a component, with the time of its last change."""
        value = state.value
        known = self._components.get(name)
        metrics.COMPONENT_UP.labels(name).set(value == Component.UP)
        if known is not None and known.state == value:
            known.message = state.message
            return
        change_time = Timestamp()
        change_time.FromDatetime(now)
        self._components[name] = Component(name=name, state=value, state_change_time=change_time, message=state.message)
        level = logger().info if value == Component.UP else logger().warning
        level("component changed", component=name, state=STATE_WORDS[value], reason=state.message)


def explain(error: grpc.aio.AioRpcError) -> str:
    """Return in a few words why a service does not answer."""
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer within {COMPONENT_SECONDS:g} s"
    if error.code() == grpc.StatusCode.UNAVAILABLE and "connect" in (error.details() or ""):
        return "cannot connect"
    return error.details() or error.code().name
