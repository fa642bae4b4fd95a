"""What a stack consists of: each component, what it needs before it, how it is started and when it is ready."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from frontdoor.render import EnvoyValues, render
from frontdoor.values import EnvoyConfigError

from runtime.process import descriptors
from runtime.process.shutdown import STOP_SECONDS
from runtime.settings import PREFIX
from stack.errors import SettingInvalid
from stack.machine.http_probe import http_answers, http_status
from stack.machine.ports import LOOPBACK
from stack.processes.logfile import LogFile
from stack.processes.process import Command, inherited_env
from stack.processes.runners import Runner, Service, Step, Task
from stack.servers.brokers import brokers, copies
from stack.servers.databases import provision
from stack.servers.envoy import Envoy
from stack.servers.kafka import Kafka
from stack.supervision.probe import Checked, answering, grpc_serves, kafka_answers, service_health
from stack.supervision.site import Site, postgres
from stack.supervision.status import State


@dataclass(frozen=True)
class Component:
    """Names a part of the stack; `once` marks what ends when it is done."""

    name: str
    runner: Runner
    needs: tuple[str, ...] = ()
    once: bool = False
    address: str = ""
    logs: tuple[LogFile, ...] = ()
    # How it is while its process runs; blocks for CHECK_SECONDS at most.
    check: Callable[[], Checked] = lambda: (State.READY, "")


def components(site: Site) -> list[Component]:
    """Return the components in start order; servers that were given are left out."""
    return [*servers(site), *preparations(site), *services(site), front(site)]


def servers(site: Site) -> list[Component]:
    """Return the local servers that no given one replaces."""
    found = []
    settings = site.settings
    if settings.postgres_admin_dsn is None:
        address = f"{LOOPBACK}:{settings.postgres_port}"
        server = postgres(site)
        logs = (site.log("postgres"),)
        found.append(Component("postgres", server, address=address, logs=logs, check=lambda: answering(server.pings())))
    for name, broker in kafka(site).items():
        check = partial(answers_on, broker.port)
        found.append(Component(name, broker, address=broker.bootstrap, logs=(broker.log,), check=check))
    return found


def kafka(site: Site) -> Mapping[str, Kafka]:
    """Return the local brokers by name, none where a cluster was given."""
    settings = site.settings
    return {} if settings.external_kafka else brokers(site.state.kafka, settings.broker_ports, site.log)


def preparations(site: Site) -> list[Component]:
    """Return what is done once at each start; all of it may be repeated."""
    own_brokers = kafka(site)
    given = site.settings.postgres_admin_dsn is not None
    databases = Step(lambda: provision(site.admin_dsn, site.credentials))
    return [
        Component("databases", databases, () if given else ("postgres",), once=True),
        task(site, "migrate-orders", ("orders", "migrate"), {"ORDERS_DSN": site.dsn("orders_owner")}, ("databases",)),
        task(
            site,
            "migrate-processor",
            ("processor", "migrate"),
            {"ANALYTICS_DSN": site.dsn("analytics_owner")},
            ("databases",),
        ),
        task(site, "topics", ("orders", "topics"), copies(len(own_brokers), site.env), tuple(own_brokers)),
    ]


def services(site: Site) -> list[Component]:
    """Return the services."""
    return [orders(site), publisher(site), analytics(site), processor(site), gateway(site)]


def orders(site: Site) -> Component:
    """Return the orders service, ready when each of its processes serves."""
    settings, sockets = site.settings, site.orders_sockets
    env = {
        "ORDERS_DSN": site.dsn("orders_app"),
        "ORDERS_LISTEN": f"unix:{site.socket('orders-{index}')}",
        "ORDERS_LANE_LISTEN": f"unix:{site.socket('lane-{index}')}" if settings.orders_lane else "",
        "ORDERS_PROCESSES": str(settings.orders_processes),
        "METRICS_ADDRESS": f"{LOOPBACK}:{settings.orders_metrics_port}",
    }
    return service(
        site,
        "orders",
        ("orders", "serve"),
        env,
        lambda: all(grpc_serves(path) for path in sockets),
        ("migrate-orders",),
        settings.orders_metrics_port,
        partial(service_health, settings.orders_metrics_port),
    )


def publisher(site: Site) -> Component:
    """Return the publisher of the outbox."""
    port = site.settings.publisher_metrics_port
    env = {"ORDERS_DSN": site.dsn("orders_publisher"), "METRICS_ADDRESS": f"{LOOPBACK}:{port}"}
    needs = ("migrate-orders", "topics")
    check = partial(service_health, port)
    return service(site, "publisher", ("orders", "publish"), env, works(port), needs, port, check)


def analytics(site: Site) -> Component:
    """Return the service that reads the metrics."""
    port = site.settings.analytics_metrics_port
    path = site.socket("analytics")
    env = {
        "ANALYTICS_DSN": site.dsn("analytics_reader"),
        "ANALYTICS_LISTEN": f"unix:{path}",
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
    }
    needs = ("migrate-processor",)
    return service(site, "analytics", ("processor", "serve"), env, lambda: grpc_serves(path), needs, port)


def processor(site: Site) -> Component:
    """Return the workers that count the events."""
    port = site.settings.processor_metrics_port
    env = {
        "ANALYTICS_DSN": site.dsn("analytics_worker"),
        "PROCESSOR_WORKERS": str(site.settings.processor_workers),
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
    }
    needs = ("migrate-processor", "topics")
    check = partial(service_health, port)
    return service(site, "processor", ("processor", "work"), env, works(port), needs, port, check)


def gateway(site: Site) -> Component:
    """Return what answers for the whole at the front door."""
    port = site.settings.gateway_metrics_port
    path = site.socket("gateway")
    env = {
        "GATEWAY_LISTEN": f"unix:{path}",
        "GATEWAY_HTTP_LISTEN": f"unix:{site.socket('gateway-http')}",
        "ORDERS_TARGETS": ",".join(f"unix:{orders_path}" for orders_path in site.orders_sockets),
        "ANALYTICS_TARGET": f"unix:{site.socket('analytics')}",
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
    }
    return service(site, "gateway", ("gateway",), env, lambda: grpc_serves(path), (), port)


def front(site: Site) -> Component:
    """Return Envoy, ready when every service behind it is healthy and an orders request comes through."""
    settings = site.settings

    def serves() -> bool:
        return http_answers(settings.front_port, "/healthz") and http_answers(settings.front_port, "/orders")

    log = site.log("envoy")
    envoy = Envoy(site.state.home / "envoy.yaml", settings.envoy_admin_port, log, serves)
    address = f"http://{LOOPBACK}:{settings.front_port}"
    needs = ("orders", "analytics", "gateway")
    logs = (log, site.access_log)
    return Component("envoy", envoy, needs, address=address, logs=logs, check=partial(envoy_state, settings.front_port))


def envoy_state(front_port: int) -> Checked:
    """Return the state of Envoy, which answers for itself when those behind it do not."""
    return answering(http_status(front_port, "/healthz") is not None)


def write_envoy_config(site: Site) -> None:
    """Write the configuration that Envoy is started with. Raises SettingInvalid for what Envoy would refuse."""
    try:
        (site.state.home / "envoy.yaml").write_text(render(envoy_values(site)))
    except EnvoyConfigError as error:
        raise SettingInvalid(str(error)) from error


def envoy_values(site: Site) -> EnvoyValues:
    """Return what differs in this stack's configuration of Envoy. Raises EnvoyConfigError."""
    settings = site.settings
    return EnvoyValues.local(
        site.run_dir,
        front_port=settings.front_port,
        admin_port=settings.envoy_admin_port,
        stats_port=settings.envoy_stats_port,
        orders_sockets=site.orders_sockets,
        lane_sockets=site.lane_sockets,
        access_log=site.access_log.path,
        rate_limit_per_second=settings.rate_limit_per_second,
        orders_active=site.orders_active,
        descriptors=descriptors.raise_limit(),
    )


def answers_on(port: int) -> Checked:
    """Return the state of the broker on a port."""
    return answering(kafka_answers(port))


def works(port: int) -> Callable[[], bool]:
    """Return a probe of a service's work: it has begun in each of its processes."""
    return lambda: service_health(port)[0] == State.READY


def service(
    site: Site,
    name: str,
    module: tuple[str, ...],
    env: dict[str, str],
    probe: Callable[[], bool],
    needs: tuple[str, ...],
    metrics_port: int,
    check: Callable[[], Checked] | None = None,
) -> Component:
    """Return a component that stays; without a check its probe is asked."""
    log = site.log(name)
    address = f"http://{LOOPBACK}:{metrics_port}/metrics"
    runner = Service(module_command(site, name, module, env), log, probe)
    return Component(name, runner, needs, address=address, logs=(log,), check=check or (lambda: answering(probe())))


def task(site: Site, name: str, module: tuple[str, ...], env: dict[str, str], needs: tuple[str, ...]) -> Component:
    """Return a component that is done once."""
    log = site.log(name)
    return Component(name, Task(module_command(site, name, module, env), log), needs, once=True, logs=(log,))


def module_command(site: Site, name: str, module: tuple[str, ...], env: dict[str, str]) -> Command:
    """Return the command that runs one of our modules with its settings."""
    kafka = {
        "KAFKA_BOOTSTRAP": site.settings.bootstrap,
        "KAFKA_PROPERTIES": json.dumps(site.settings.kafka_properties),
    }
    own = {f"{PREFIX}{setting}": value for setting, value in (kafka | env).items()}
    environment = {**inherited_env(), **site.env, **own, "TMPDIR": str(site.temporary)}
    return Command(name, [sys.executable, "-P", "-m", *module], environment, stop_seconds=STOP_SECONDS)
