"""The components of a stack in start order: what each depends on, how it is started and when it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from runtime.kafka import access
from runtime.settings import PREFIX
from stack.backup.backup_folder import BackupFolder
from stack.backup.wal_archive import WalArchive
from stack.backup.wal_archive import release as release_archive
from stack.downloads.jar_sets import swagger_ui_jar
from stack.identity.sessions import GATEWAY_SOCKET
from stack.machine.ports import LOOPBACK
from stack.processes.runners import Step
from stack.processes.server_account import server_account
from stack.servers.credentials import KAFKA_BROKER, TOKEN_KEYS
from stack.servers.databases import provision
from stack.servers.kafka.agent import Agent
from stack.servers.kafka.broker import Kafka
from stack.servers.kafka.brokers import brokers, replication_settings
from stack.servers.kafka.users import give_access
from stack.supervision.component import Component, service, task
from stack.supervision.front_proxy import front_proxy
from stack.supervision.health_checks import CheckResult, answer_state, grpc_serves, kafka_answers, service_health
from stack.supervision.stack_context import StackContext, postgres
from stack.supervision.status import State


def components(context: StackContext) -> list[Component]:
    """Return the components in start order, without external servers."""
    archive = [] if context.settings.backup_dir is None else [wal_archive(context, context.settings.backup_dir)]
    return [
        *servers(context),
        *startup_tasks(context),
        *archive,
        *services(context),
        front_proxy(context),
        *observers(context),
    ]


def observers(context: StackContext) -> list[Component]:
    """Return the components of `--observe`, none without it."""
    if context.observation is None:
        return []
    # Imported with it only.
    from stack.supervision import observability

    return observability.observers(context, context.observation)


def servers(context: StackContext) -> list[Component]:
    """Return the local servers that no external one replaces."""
    found = []
    settings = context.settings
    if settings.postgres_admin_dsn is None:
        server = postgres(context)
        address = f"{settings.postgres_listen}:{server.port}" if settings.postgres_listen else f"unix:{server.socket}"
        logs = (context.log("postgres"),)
        found.append(
            Component("postgres", server, address=address, logs=logs, check=lambda: answer_state(server.pings()))
        )
    for name, broker in kafka(context).items():
        check = partial(broker_state, broker.port)
        found.append(Component(name, broker, address=broker.bootstrap, logs=(broker.log,), check=check))
    return found


def wal_archive(context: StackContext, folder: Path) -> Component:
    """Return the archive of the local PostgreSQL's write-ahead log."""
    server = postgres(context)
    archive = WalArchive(
        server, lambda: BackupFolder.prepared(folder, server_account(server.folder)), context.log("wal-archive")
    )

    def check() -> CheckResult:
        health = archive.health()
        return State.READY if health.works else State.DEGRADED, health.detail

    return Component(
        "wal-archive",
        archive,
        ("databases",),
        address=str(folder),
        logs=(archive.log,),
        check=check,
    )


def kafka(context: StackContext) -> Mapping[str, Kafka]:
    """Return the local brokers by name, none with an external cluster."""
    settings = context.settings
    if settings.external_kafka:
        return {}
    return brokers(context.state.kafka, settings.broker_ports, context.log, context.credentials, agent_of(context))


def agent_of(context: StackContext) -> Callable[[str], Agent | None]:
    """Return what makes the agents that show the figures of brokers, none without `--observe`."""
    if context.observation is None:
        return lambda name: None
    # Imported with it only.
    from stack.observe.kafka_agent import kafka_agent

    return partial(kafka_agent, context.observation)


def broker_state(port: int) -> CheckResult:
    """Return the state of the broker on a port."""
    return answer_state(kafka_answers(port))


def startup_tasks(context: StackContext) -> list[Component]:
    """Return the tasks that run at each start; all of them are safe to repeat."""
    own_brokers = kafka(context)
    external = context.settings.postgres_admin_dsn is not None
    databases = Step(lambda: create_databases(context))
    orders_env = {"ORDERS_DSN": context.dsn("orders_owner")}
    analytics_env = {"ANALYTICS_DSN": context.dsn("analytics_owner")}
    topics_env = replication_settings(len(own_brokers), context.env) | context.kafka_env(access.OPERATOR)
    users = [kafka_users(context, tuple(own_brokers))] if own_brokers else []
    return [
        Component("databases", databases, () if external else ("postgres",), once=True),
        task(context, "migrate-orders", ("orders", "migrate"), orders_env, ("databases",)),
        task(context, "migrate-processor", ("processor", "migrate"), analytics_env, ("databases",)),
        *users,
        task(context, "topics", ("orders", "topics"), topics_env, tuple(step.name for step in users)),
    ]


def create_databases(context: StackContext) -> None:
    """Create what is missing on the server; one of ours keeps no log for an archive that is not in use."""
    own_server = context.settings.postgres_admin_dsn is None
    provision(context.admin_dsn, context.credentials, own_server=own_server)
    if own_server and context.settings.backup_dir is None:
        release_archive(context.admin_dsn)


def kafka_users(context: StackContext, depends_on: tuple[str, ...]) -> Component:
    """Return the task that gives each program its user and ACLs in the local Kafka."""
    settings, group = context.kafka_settings(KAFKA_BROKER), context.settings.processor_group
    step = Step(lambda: give_access(settings, context.credentials, group))
    return Component("kafka-users", step, depends_on, once=True)


def services(context: StackContext) -> list[Component]:
    """Return the services."""
    return [orders(context), publisher(context), analytics(context), processor(context), gateway(context)]


def orders(context: StackContext) -> Component:
    """Return the orders service, ready when each of its processes serves."""
    settings, sockets = context.settings, context.orders_sockets
    port = settings.orders_metrics_port
    env = {
        "ORDERS_DSN": context.dsn("orders_app"),
        "ORDERS_LISTEN": f"unix:{context.socket('orders', 'orders-{index}')}",
        "ORDERS_LANE_LISTEN": f"unix:{context.socket('orders', 'lane-{index}')}" if settings.orders_lane else "",
        "ORDERS_PROCESSES": str(settings.orders_processes),
        "TOKEN_KEYS": context.credentials.password(TOKEN_KEYS),
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
    }
    depends_on = ("migrate-orders",)
    check = partial(service_health, port)

    def serves() -> bool:
        return all(grpc_serves(path) for path in sockets)

    return service(context, "orders", ("orders", "serve"), env, serves, depends_on, port, check)


def publisher(context: StackContext) -> Component:
    """Return the publisher of the outbox."""
    port = context.settings.publisher_metrics_port
    env = {
        "ORDERS_DSN": context.dsn("orders_publisher"),
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
        **context.kafka_env(access.PUBLISHER),
    }
    depends_on = ("migrate-orders", "topics")
    check = partial(service_health, port)
    return service(context, "publisher", ("orders", "publish"), env, is_up(port), depends_on, port, check)


def analytics(context: StackContext) -> Component:
    """Return the service that reads the metrics, and that keeps the dead letters."""
    port = context.settings.analytics_metrics_port
    path = context.socket("analytics")
    env = {
        "ANALYTICS_DSN": context.dsn("analytics_reader"),
        "ANALYTICS_LISTEN": f"unix:{path}",
        "TOKEN_KEYS": context.credentials.password(TOKEN_KEYS),
        "PROCESSOR_GROUP": context.settings.processor_group,
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
        **context.kafka_env(access.ANALYTICS),
    }
    depends_on = ("migrate-processor",)
    return service(context, "analytics", ("processor", "serve"), env, lambda: grpc_serves(path), depends_on, port)


def processor(context: StackContext) -> Component:
    """Return the workers that count the events."""
    port = context.settings.processor_metrics_port
    env = {
        "ANALYTICS_DSN": context.dsn("analytics_worker"),
        "PROCESSOR_WORKERS": str(context.settings.processor_workers),
        "PROCESSOR_GROUP": context.settings.processor_group,
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
        **context.kafka_env(access.PROCESSOR),
    }
    depends_on = ("migrate-processor", "topics")
    check = partial(service_health, port)
    return service(context, "processor", ("processor", "work"), env, is_up(port), depends_on, port, check)


def gateway(context: StackContext) -> Component:
    """Return the gateway: status, reconciliation, streams and pages of the platform."""
    port = context.settings.gateway_metrics_port
    path = context.socket("gateway")
    env = {
        "GATEWAY_LISTEN": f"unix:{path}",
        "TOKEN_KEYS": context.credentials.password(TOKEN_KEYS),
        "GATEWAY_HTTP_LISTEN": f"unix:{context.socket('gateway', 'gateway-http')}",
        "GATEWAY_SWAGGER_UI_JAR": str(swagger_ui_jar() or ""),
        "GATEWAY_SESSIONS": "" if context.settings.auth == "off" else str(context.run_dir / GATEWAY_SOCKET),
        "ORDERS_TARGETS": ",".join(f"unix:{orders_path}" for orders_path in context.orders_sockets),
        "ANALYTICS_TARGET": f"unix:{context.socket('analytics')}",
        "PROCESSOR_GROUP": context.settings.processor_group,
        "METRICS_ADDRESS": f"{LOOPBACK}:{port}",
        **context.kafka_env(access.GATEWAY),
        **trace_links(context),
    }
    return service(context, "gateway", ("gateway",), env, lambda: grpc_serves(path), (), port)


def trace_links(context: StackContext) -> dict[str, str]:
    """Return where the gateway's links to traces lead with `--observe`, nothing where a setting says so."""
    observation, name = context.observation, "TRACE_URL"
    if observation is None or not observation.stores_spans or f"{PREFIX}{name}" in context.env:
        return {}
    return {name: f"{observation.address}/zipkin/traces/{{trace_id}}"}


def is_up(port: int) -> Callable[[], bool]:
    """Return a probe that holds once each process of a service is up, by /health of its metrics port."""
    return lambda: service_health(port)[0] == State.READY
