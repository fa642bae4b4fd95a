"""The components of `--observe`: what shows figures, spans and alerts, the exporters, and the front before them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from frontdoor import check
from frontdoor.values import Address
from psycopg.conninfo import make_conninfo

from stack.downloads.jar_sets import JMX_EXPORTER_JARS
from stack.machine.http_probe import http_answers
from stack.machine.ports import LOOPBACK
from stack.observe import programs
from stack.observe.client_tls import client_context
from stack.observe.deployed import deployed
from stack.observe.exporters import node_exporter, postgres_exporter
from stack.observe.front import FrontValues, Site, render
from stack.observe.logs import opensearch, store
from stack.observe.observation import Observation
from stack.observe.prometheus import Target, alertmanager, prometheus
from stack.observe.spans.collector import Collector, collector, collector_command
from stack.observe.zipkin import zipkin
from stack.processes import confinement, privileges
from stack.processes.confinement import Confinement
from stack.processes.process import Command, inherited_env
from stack.processes.runners import Service, Step
from stack.processes.server_account import SERVICES, own_account
from stack.servers.credentials import MONITOR
from stack.servers.databases import let_monitor
from stack.servers.envoy import Envoy
from stack.supervision.component import Component
from stack.supervision.health_checks import accepts, answer_state
from stack.supervision.log_shipping import shipping
from stack.supervision.stack_context import SPANS, StackContext, postgres

# They start once the platform is ready, which waits for none of them.
AFTER = ("envoy", "publisher", "processor")
STACK = Path(__file__).parents[1]
# What people reach of a program: its path, its title, and the methods that are let through.
SITES = {
    "prometheus": ("/prometheus/", "Prometheus: figures, rules and alerts", "GET|HEAD|POST"),
    "alertmanager": ("/alertmanager/", "Alertmanager: who is told of alerts, and silences", "GET|HEAD|POST|DELETE"),
    "zipkin": ("/zipkin/", "Zipkin: traces of orders", "GET|HEAD"),
    opensearch.NAME: ("/logs/", "OpenSearch: the newest log lines", "GET|HEAD"),
}
NEWEST_LINES = "_search?size=100&sort=@timestamp:desc&filter_path=hits.hits._source&pretty"
# Further values of a site.
AT_THE_ROOT = {opensearch.NAME: {"inner": "/", "opens": NEWEST_LINES}}
READY = {
    "prometheus": "/prometheus/-/ready",
    "alertmanager": "/alertmanager/-/ready",
    "zipkin": "/health",
    opensearch.NAME: store.READY,
}
METRICS = {"prometheus": "/prometheus/metrics", "alertmanager": "/alertmanager/metrics", "zipkin": "/prometheus"}


def observers(context: StackContext, observation: Observation) -> list[Component]:
    """Return the components; what cannot be had on this machine is left out."""
    observation.make_folders()
    observation.certificates.let_ask("stack", observation.home / "stack", None)
    exporters = list(exporting(context, observation))
    commands = list(observing(context, observation, [one.name for one in exporters]))
    sites = [component(context, observation, one) for one in commands]
    names = [one.name for one in sites]
    receivers = [spans(context, observation)] if "zipkin" in names else []
    shippers = list(shipping(context, observation)) if opensearch.NAME in names else []
    return [*exporters, *sites, *receivers, *shippers, front(context, observation, names)]


def spans(context: StackContext, observation: Observation) -> Component:
    """Return what takes spans of the services and of Envoy for Zipkin: a collector of this machine, or our receiver."""
    path, log = context.socket(SPANS), context.log(SPANS)
    sockets, temporary = context.own_folders(SPANS)
    probe = partial(accepts, path)
    if (found := collector()) is not None:
        command = collector_command(observation, found, SPANS, path, own_account(SERVICES))
        runner: Service = Collector(command, log, probe, path)
    else:
        runner = Service(receiver_command(observation, path, sockets, temporary), log, probe)
    return Component(
        SPANS,
        runner,
        AFTER,
        required=False,
        address=f"unix:{path}",
        logs=(log,),
        check=lambda: answer_state(probe()),
    )


def receiver_command(observation: Observation, path: Path, sockets: Path, temporary: Path) -> Command:
    """Return the command of our receiver of spans, as that of one of our programs."""
    folder = observation.home / SPANS
    observation.certificates.let_ask(SPANS, folder, own_account(SERVICES))
    granted = privileges.of_service({}, (sockets, temporary), ())
    # This program is part of the stack, which services do not read.
    own = confinement.paths(folder, STACK)
    allowed = granted.confinement and replace(granted.confinement, readable=(*granted.confinement.readable, *own))
    options = ("--listen", f"unix:{path}", "--zipkin", str(observation.ports["zipkin"]), "--certificates", str(folder))
    return Command(
        SPANS,
        [sys.executable, "-P", "-m", "stack.observe.spans", *options],
        {**inherited_env(), "TMPDIR": str(temporary)},
        granted.account,
        allowed,
    )


def exporting(context: StackContext, observation: Observation) -> Iterator[Component]:
    """Yield the exporters."""
    if (node := programs.NODE_EXPORTER.find()) is not None:
        yield component(context, observation, node_exporter(observation, node))
    if context.settings.postgres_admin_dsn is not None:
        return
    if (found := programs.POSTGRES_EXPORTER.find()) is not None:
        server, services = postgres(context), own_account(SERVICES)
        where = {"host": str(server.socket_dir), "port": str(server.port), "sslmode": "disable"}
        password = context.credentials.password(MONITOR)
        dsn = make_conninfo("", user=MONITOR, password=password, dbname="orders", **where)
        role = Step(lambda: let_monitor(context.admin_dsn, context.credentials))
        yield Component("postgres-monitor", role, ("databases",), once=True, required=False)
        gid = None if services is None else services.gid
        command = postgres_exporter(observation, found, gid, dsn)
        yield component(context, observation, command, (*AFTER, "postgres-monitor"))


def observing(context: StackContext, observation: Observation, exporters: list[str]) -> Iterator[Command]:
    """Yield the commands of what people look at."""
    found, alerts = programs.PROMETHEUS.find(), programs.ALERTMANAGER.find()
    if observation.stores_spans:
        yield zipkin(observation)
    if observation.stores_lines:
        yield opensearch.opensearch_command(observation)
    if found is None:
        return
    names = ["prometheus", *(["alertmanager"] if alerts else []), *(["zipkin"] if observation.stores_spans else [])]
    scraped = [*targets(context), *own_targets(context, observation, names, exporters)]
    yield prometheus(observation, found, scraped, deployed("prometheus/rules"), alerts=alerts is not None)
    if alerts is not None:
        yield alertmanager(observation, alerts, deployed("prometheus/alertmanager.yaml"))


def targets(context: StackContext) -> list[Target]:
    """Return what Prometheus scrapes of the platform, by the names of jobs that the rules know."""
    settings = context.settings
    services = {
        "orders": settings.orders_metrics_port,
        "publisher": settings.publisher_metrics_port,
        "processor": settings.processor_metrics_port,
        "analytics": settings.analytics_metrics_port,
        "gateway": settings.gateway_metrics_port,
    }
    envoy = Target("ordermesh-envoy", settings.envoy_stats_port, "/stats/prometheus")
    return [*(Target(f"ordermesh-{name}", port) for name, port in services.items()), envoy]


def own_targets(
    context: StackContext, observation: Observation, names: list[str], exporters: list[str]
) -> Iterator[Target]:
    """Yield what Prometheus scrapes of the observers and exporters, which ask for its certificate."""
    for name in names:
        yield Target(name, observation.ports[name], METRICS[name], "certificate")
    for name in exporters:
        if name in observation.ports:
            yield Target(f"ordermesh-{name.removesuffix('-exporter')}", observation.ports[name], asks="certificate")
    if JMX_EXPORTER_JARS.cached() is not None:
        for broker in context.settings.broker_names:
            yield Target("ordermesh-kafka", observation.ports[broker], asks="login")


def component(
    context: StackContext, observation: Observation, command: Command, depends_on: tuple[str, ...] = AFTER
) -> Component:
    """Return the component of a program that answers our certificate only."""
    name = command.name
    log, port = context.log(name), observation.ports[name]
    tls = client_context(observation.home / "stack")
    probe = partial(http_answers, port, READY.get(name, "/"), tls=tls)
    path = SITES[name][0] if name in SITES else ""
    return Component(
        name,
        Service(command, log, probe),
        depends_on,
        required=False,
        address=f"{observation.address}{path}" if path else f"{LOOPBACK}:{port}",
        logs=(log,),
        check=lambda: answer_state(probe()),
    )


def front(context: StackContext, observation: Observation, names: list[str]) -> Component:
    """Return the front before these programs, which is ready when Envoy is."""
    values = front_values(observation, names)
    folder = observation.folder("front")
    observation.certificates.let_ask("front", folder, observation.account)
    config = folder / "envoy.yaml"
    observation.write(config, render(values))
    allowed = Confinement(
        readable=confinement.paths(folder),
        executable=confinement.paths(check.envoy_binary()),
        writable=confinement.paths(observation.admin.parent),
        bind_ports=(observation.front_port,),
        connect_ports=confinement.unique([observation.ports[name] for name in names]),
    )
    log, granted = (
        context.log("observe-front"),
        privileges.privileges(observation.account, allowed, [check.envoy_binary()]),
    )
    return Component(
        "observe-front",
        Envoy(config, observation.admin, log, granted=granted),
        AFTER,
        required=False,
        address=observation.address,
        logs=(log,),
        check=lambda: answer_state(http_answers(observation.admin, "/ready")),
    )


def front_values(observation: Observation, names: list[str]) -> FrontValues:
    """Return the values of the front."""
    sites = {
        name: Site(path, Address(LOOPBACK, observation.ports[name]), title, methods, **AT_THE_ROOT.get(name, {}))
        for name, (path, title, methods) in SITES.items()
        if name in names
    }
    return FrontValues(
        Address(LOOPBACK, observation.front_port),
        observation.password,
        observation.admin,
        sites,
        observation.home / "front",
    )
