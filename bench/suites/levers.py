"""The effect of each lever: the same load with and without it, in one run, as a ratio."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from frontdoor.config import Config
from frontdoor.render import bootstrap
from frontdoor.values import EnvoyValues

from bench.bare.pipeline import bare
from bench.bare.settings import Engine
from bench.loads.closed_model import GRPC, REST, Load
from bench.measure import stages
from bench.measure.end_to_end import Run, peak
from bench.subjects.pipeline import probes, product
from bench.subjects.servers import free_port, plain_front
from stack.processes.logfile import LogFile
from stack.processes.runners import running
from stack.running_stack import RunningStack, running_stack
from stack.servers.envoy import Envoy

Cut = Callable[[Config], None]
BATCH_EVENTS = (50, 200, 1000, 5000)
WORKERS = (1, 2)
ENGINES: Mapping[Engine, str] = {
    Engine.NATIVE: "asyncio on the native engine",
    Engine.FRONT: "the native engine's low-level front",
    Engine.GRPCIO: "grpcio",
}


@dataclass(frozen=True)
class Lever:
    """A measurement with one setting changed; `base` names the measurement that it is compared with."""

    group: str
    lever: str
    base: str
    load: str
    per_second: float
    cpu_us: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def of_run(group: str, lever: str, base: str, run: Run) -> Lever:
    """Return an end-to-end run as a lever."""
    return Lever(group, lever, base, run.load, run.orders_per_second, run.cpu_us_per_order)


def all_levers(seconds: float, events: int) -> Iterator[Lever]:
    """Yield all levers by group; `seconds` is for end-to-end runs, `events` for single stages."""
    yield from envoy_filters(seconds)
    yield from processes(seconds)
    yield from group_commit(seconds)
    yield from engines(seconds)
    yield from drains(events)


def without_filters(*names: str) -> Cut:
    """Return a function that removes filters."""

    def cut(manager: Config) -> None:
        manager["http_filters"] = [one for one in manager["http_filters"] if one["name"] not in names]

    return cut


def without_access_loggers(name: str) -> Cut:
    """Return the removal of the access loggers of a kind."""

    def cut(manager: Config) -> None:
        manager["access_log"] = [each for each in manager["access_log"] if each["name"] != name]

    return cut


def without_tracing(manager: Config) -> None:
    """Remove everything that generates and propagates trace ids."""
    for name in ("tracing", "early_header_mutation_extensions"):
        del manager[name]
    without_filters("envoy.filters.http.header_mutation")(manager)


CUTS: Mapping[str, Cut] = {
    "without the access log": without_access_loggers("envoy.access_loggers.file"),
    "without statistics by method": without_access_loggers("envoy.access_loggers.stats"),
    "without trace ids": without_tracing,
    "without the rate limit": without_filters("envoy.filters.http.local_ratelimit"),
    "without CORS and gRPC-Web": without_filters("envoy.filters.http.cors", "envoy.filters.http.grpc_web"),
    "without the body buffer": without_filters("envoy.filters.http.buffer"),
}


def envoy_filters(seconds: float) -> Iterator[Lever]:
    """Yield the costs of Envoys without one filter each, in front of the same services."""
    with running_stack(orders_lane=True) as stack, probes(stack) as subject_of:
        for load in (REST, GRPC):
            for lever, config in variants(stack).items():
                with another_envoy(stack, config) as (port, pid):
                    run = peak(subject_of("product", port, pid), load, seconds)
                own = {"envoy": run.cpu_us_per_order["envoy"]}
                yield Lever("Envoy", lever, "everything on", run.load, run.orders_per_second, own)


def variants(stack: RunningStack) -> dict[str, Callable[[int, Path], Config]]:
    """Return the configurations by what they lack, as functions of the port and the admin socket."""
    found: dict[str, Callable[[int, Path], Config]] = {"everything on": lambda port, admin: full(stack, port, admin)}
    for name, cut in CUTS.items():
        found[name] = lambda port, admin, cut=cut: trimmed(full(stack, port, admin), cut)  # type: ignore[misc]  # an additional parameter with a default
    found["nothing but transcoder and limit"] = lambda port, admin: plain_front(port, admin, stack.context.lane_sockets)
    return found


def full(stack: RunningStack, port: int, admin: Path) -> Config:
    """Return the configuration of the platform on other ports."""
    context = stack.context
    values = EnvoyValues.local(
        context.sockets,
        front_port=port,
        admin_socket=admin,
        stats_port=free_port(),
        orders_sockets=context.orders_sockets,
        lane_sockets=context.lane_sockets,
        other_sockets=context.other_sockets,
        access_log=Path(f"{context.access_log.path}.{port}"),
        orders_active=context.orders_active,
    )
    return bootstrap(values)


def trimmed(config: Config, cut: Cut) -> Config:
    """Return the configuration with a change of the front listener applied."""
    listener = config["static_resources"]["listeners"][0]
    cut(listener["filter_chains"][0]["filters"][0]["typed_config"])
    return config


@contextlib.contextmanager
def another_envoy(stack: RunningStack, config: Callable[[int, Path], Config]) -> Iterator[tuple[int, int]]:
    """Run another Envoy in front of a platform; yield its port and process id."""
    port = free_port()
    admin = stack.context.run_dir / f"envoy-{port}.sock"
    path = stack.context.state.home / f"{admin.stem}.yaml"
    path.write_text(yaml.safe_dump(config(port, admin)))
    envoy = Envoy(path, admin, LogFile(stack.context.state.logs / f"{admin.stem}.log"))
    with running(envoy):
        yield port, envoy.pid or 0


def processes(seconds: float) -> Iterator[Lever]:
    """Yield the platform with different numbers of serving processes."""
    for count in (2, 1):
        with product(orders_processes=count) as subject:
            lever = f"{count} serving process" + ("es" if count > 1 else "")
            for load in (REST, GRPC):
                yield of_run("orders", lever, "2 serving processes", peak(subject, load, seconds))


def group_commit(seconds: float, load: Load = GRPC) -> Iterator[Lever]:
    """Yield the bare pipeline with and without group commit."""
    for orders in (1000, 1):
        with bare(commit_orders=orders) as subject:
            lever = f"at most {orders} order{'s' if orders > 1 else ''} a transaction"
            yield of_run("group commit", lever, "at most 1000 orders a transaction", peak(subject, load, seconds))


def engines(seconds: float, load: Load = GRPC) -> Iterator[Lever]:
    """Yield the bare pipeline on each engine."""
    for engine, lever in ENGINES.items():
        with bare(engine) as subject:
            yield of_run("engine", lever, ENGINES[Engine.NATIVE], peak(subject, load, seconds))


def drains(events: int) -> Iterator[Lever]:
    """Yield publishers with different batch sizes, and different numbers of workers."""
    for size in BATCH_EVENTS:
        publisher, _ = stages.publisher_and_worker(events, batch_events=size)
        yield of_stage("publisher", f"batches of {size}", "batches of 1000", publisher)
    for count in WORKERS:
        _, worker = stages.publisher_and_worker(events, workers=count)
        yield of_stage("processor", f"{count} worker{'s' if count > 1 else ''}", "1 worker", worker)


def of_stage(group: str, lever: str, base: str, stage: stages.Stage) -> Lever:
    """Return a single stage as a lever."""
    return Lever(group, lever, base, stage.stage, stage.events_per_second, stage.cpu_us_per_event)
