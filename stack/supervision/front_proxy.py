"""The component of the front proxy, Envoy, and its configuration in this stack."""

from __future__ import annotations

from functools import partial

from frontdoor.render import EnvoyValues, render
from frontdoor.values import EnvoyConfigError

from runtime.process import descriptors
from stack.errors import SettingInvalid
from stack.machine.http_probe import http_answers, http_status
from stack.machine.ports import LOOPBACK
from stack.servers.envoy import Envoy
from stack.supervision.component import Component
from stack.supervision.health_checks import CheckResult, answer_state
from stack.supervision.stack_context import StackContext


def front_proxy(context: StackContext) -> Component:
    """Return Envoy, ready when every service behind it is healthy and a request for orders succeeds."""
    settings = context.settings

    def serves() -> bool:
        return http_answers(settings.front_port, "/healthz") and http_answers(settings.front_port, "/orders")

    log = context.log("envoy")
    return Component(
        "envoy",
        Envoy(context.envoy_config, context.envoy_admin, log, serves),
        ("orders", "analytics", "gateway"),
        address=f"http://{LOOPBACK}:{settings.front_port}",
        logs=(log, context.access_log),
        check=partial(envoy_state, settings.front_port),
    )


def envoy_state(front_port: int) -> CheckResult:
    """Return the state of Envoy itself, which answers /healthz also when services behind it are down."""
    return answer_state(http_status(front_port, "/healthz") is not None)


def write_envoy_config(context: StackContext) -> None:
    """Write the configuration that Envoy is started with. Raises SettingInvalid for values that Envoy would reject."""
    try:
        context.envoy_config.write_text(render(envoy_values(context)))
    except EnvoyConfigError as error:
        raise SettingInvalid(str(error)) from error


def envoy_values(context: StackContext) -> EnvoyValues:
    """Return the values of this stack in Envoy's configuration. Raises EnvoyConfigError."""
    settings = context.settings
    return EnvoyValues.local(
        context.run_dir,
        front_port=settings.front_port,
        admin_socket=context.envoy_admin,
        stats_port=settings.envoy_stats_port,
        orders_sockets=context.orders_sockets,
        lane_sockets=context.lane_sockets,
        access_log=context.access_log.path,
        rate_limit_per_second=settings.rate_limit_per_second,
        orders_active=context.orders_active,
        descriptors=descriptors.raise_limit(),
        hosts=settings.front_hosts,
    )
