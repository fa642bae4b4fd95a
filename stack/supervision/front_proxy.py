"""The component of the front proxy, Envoy, and its configuration in this stack."""

from __future__ import annotations

import contextlib
import os
import ssl
import time
from collections.abc import Iterator

from frontdoor import check
from frontdoor.policies.tracing import tracing_of
from frontdoor.render import EnvoyValues, render
from frontdoor.values import EnvoyConfigError

from runtime.identity.client_credential import AUTHORIZATION, bearer
from runtime.process import descriptors
from stack.errors import SettingInvalid
from stack.identity.front_identity import prepare_identity
from stack.identity.own_credentials import own_credential
from stack.machine import ports
from stack.machine.files import write_private
from stack.machine.held_port import HeldPort
from stack.machine.http_probe import http_answers, http_status
from stack.machine.ports import LOOPBACK
from stack.processes import confinement
from stack.processes.confinement import Confinement
from stack.processes.privileges import CERTIFICATES, Privileges, privileges
from stack.processes.server_account import ENVOY, OBSERVE, Account, own_account
from stack.servers.envoy import Envoy
from stack.settings import StackSettings
from stack.supervision.component import CHECK_INTERVAL_SECONDS, Component
from stack.supervision.health_checks import CheckResult, answer_state
from stack.supervision.stack_context import StackContext
from stack.supervision.status import State

# How often it is checked that nobody else listens on the front port.
LISTENERS_SECONDS = 0.5


def front_proxy(context: StackContext) -> Component:
    """Return Envoy, ready when every service behind it is healthy and a request for orders succeeds."""
    settings = context.settings

    def serves() -> bool:
        tls, headers = context.front_certificate.client_context(), own_headers(context)
        return all(
            http_answers(settings.front_port, path, tls=tls, headers=headers) for path in ("/healthz", "/orders")
        )

    log = context.log("envoy")
    envoy = Envoy(context.envoy_config, context.envoy_admin, log, serves, envoy_privileges(context))
    return Component(
        "envoy",
        envoy,
        ("orders", "analytics", "gateway"),
        address=f"{context.front_certificate.scheme}://{LOOPBACK}:{settings.front_port}",
        logs=(log, context.access_log),
        check=FrontCheck(envoy, context),
        check_seconds=LISTENERS_SECONDS,
    )


@contextlib.contextmanager
def held_front_ports(settings: StackSettings) -> Iterator[tuple[HeldPort, ...]]:
    """Hold the ports of the front proxy and the observe front, so that nobody else answers while they are down."""
    # Envoy shares them only as the account that it runs as.
    account = envoy_account()
    with contextlib.ExitStack() as closing:
        front = HeldPort(settings.front_port, account, settings.front_address)
        # Who took the port of the observe front would be sent its login.
        observe = [] if settings.observe == "off" else [HeldPort(settings.observe_port, envoy_account(OBSERVE))]
        held = (front, HeldPort(settings.envoy_stats_port, account), *observe)
        for port in held:
            closing.callback(port.close)
            port.hold()
        yield held


class FrontCheck:
    """The check of Envoy: nobody else listens on the front port, and Envoy answers."""

    def __init__(self, envoy: Envoy, context: StackContext) -> None:
        self._envoy = envoy
        self._front_port = context.settings.front_port
        self._held = context.front_ports
        self._certificate = context.front_certificate
        self._answer: CheckResult = (State.UNKNOWN, "")
        self._asked_at = 0.0

    def __call__(self) -> CheckResult:
        """Return the state; Envoy is asked less often than the kernel."""
        for port in self._held:
            port.hold()
        if who := ports.others(self._front_port, lambda: self._envoy.pid):
            return State.DEGRADED, f"{who} answers on port {self._front_port} too: stop it"
        try:
            self._certificate.refresh()
        except SettingInvalid as error:
            return State.DEGRADED, f"{error}; the one before is served"
        now = time.monotonic()
        if self._answer[0] != State.READY or now - self._asked_at >= CHECK_INTERVAL_SECONDS:
            self._answer, self._asked_at = envoy_state(self._front_port, self._certificate.client_context()), now
        return self._answer


def own_headers(context: StackContext) -> dict[str, str]:
    """Return the headers of the stack's own requests."""
    credential = own_credential(context.state, context.settings.auth)
    return {} if credential is None else {AUTHORIZATION: bearer(credential)}


def envoy_state(front_port: int, tls: ssl.SSLContext | None) -> CheckResult:
    """Return the state of Envoy itself, which answers /healthz also when services behind it are down."""
    return answer_state(http_status(front_port, "/healthz", tls) is not None)


def write_envoy_config(context: StackContext) -> None:
    """Write the configuration that Envoy is started with. Raises SettingInvalid for values that Envoy would reject."""
    account = own_account(ENVOY)
    context.front_certificate.prepare()
    try:
        os.close(context.access_log.open_append())
        write_private(context.envoy_config, render(envoy_values(context)))
        for path in (context.envoy_config, context.access_log.path):
            if account is not None:
                os.chown(path, account.uid, account.gid)
    except EnvoyConfigError as error:
        raise SettingInvalid(str(error)) from error


def envoy_privileges(context: StackContext) -> Privileges:
    """Return as whom Envoy runs, and what it may access."""
    settings, secrets = context.settings, context.front_certificate.secrets
    files = [context.envoy_config, context.state.envoy, *([secrets] if context.front_certificate.on else [])]
    files += [settings.otlp_certificate] if settings.otlp_certificate else []
    allowed = Confinement(
        readable=(*confinement.paths(*files), *CERTIFICATES),
        executable=confinement.paths(check.envoy_binary()),
        writable=confinement.paths(context.access_log.path, context.envoy_admin.parent),
        bind_ports=(settings.front_port, settings.envoy_stats_port),
    )
    return privileges(own_account(ENVOY), allowed, [check.envoy_binary()])


def envoy_account(name: str = ENVOY) -> Account | None:
    """Return the account that Envoy runs as, None for ours; the observe front has another one."""
    return privileges(own_account(name), Confinement(), [check.envoy_binary()]).account


def envoy_values(context: StackContext) -> EnvoyValues:
    """Return the values of this stack in Envoy's configuration. Raises EnvoyConfigError."""
    settings = context.settings
    return EnvoyValues.local(
        context.sockets,
        front_address=settings.front_address,
        front_port=settings.front_port,
        admin_socket=context.envoy_admin,
        stats_port=settings.envoy_stats_port,
        orders_sockets=context.orders_sockets,
        lane_sockets=context.lane_sockets,
        other_sockets=context.other_sockets,
        access_log=context.access_log.path,
        rate_limit_per_second=settings.rate_limit_per_second,
        customer_rate_limit_per_second=settings.customer_rate_limit_per_second,
        analyst_rate_limit_per_second=settings.analyst_rate_limit_per_second,
        orders_active=context.orders_active,
        descriptors=descriptors.raise_limit(),
        hosts=settings.front_hosts,
        tls=context.front_certificate.envoy_tls,
        identity=prepare_identity(settings, context.state),
        tracing=tracing_of(settings.model_copy(update={"service_name": ""})),
        logs_subjects=settings.log_customer_key is None,
    )
