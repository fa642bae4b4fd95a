from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from frontdoor import clusters, public_services, replies
from frontdoor.__main__ import TARGETS, checkable
from frontdoor.check import validate
from frontdoor.filters import authentication
from frontdoor.filters.http_filters import CORS, TRANSCODER, http_filters
from frontdoor.filters.single_credential import ONE_CREDENTIAL, SPELLING
from frontdoor.policies.identity import CONTAINER
from frontdoor.policies.tls import Tls
from frontdoor.render import bootstrap, render
from frontdoor.routes import route_table
from frontdoor.values import EnvoyConfigError, EnvoyValues

from orders.serve import HOT_METHODS


@pytest.mark.parametrize("target", TARGETS)
def test_envoy_accepts_every_target(target: str) -> None:
    validate(render(checkable(TARGETS[target]())))


def test_envoy_refuses_a_wrong_configuration_with_the_reason() -> None:
    text = render(EnvoyValues.compose()).replace("lb_policy: LEAST_REQUEST", "lb_policy: BEST_GUESS")
    with pytest.raises(EnvoyConfigError, match="BEST_GUESS"):
        validate(text)


def test_the_rendered_text_is_the_configuration() -> None:
    values = EnvoyValues.cluster()
    assert yaml.safe_load(render(values)) == bootstrap(values)


@pytest.mark.parametrize("target", ["local", "compose"])
def test_the_admin_interface_is_a_private_socket_where_others_share_the_network(target: str) -> None:
    pipe = bootstrap(TARGETS[target]())["admin"]["address"]["pipe"]
    assert pipe["path"].endswith("/envoy-admin.sock")
    assert pipe["mode"] == 0o700


def test_the_admin_interface_of_a_pod_is_on_its_own_loopback() -> None:
    address = bootstrap(EnvoyValues.cluster())["admin"]["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": 9901}


def test_towards_its_own_interface_envoy_has_no_tls() -> None:
    """Whoever asks for the statistics would get 503, and the kubelet would restart Envoy."""
    values = replace(EnvoyValues.cluster(), services_tls=Tls("/tls", True))
    secured = {one["name"] for one in clusters.clusters(values) if "transport_socket" in one}
    assert secured == {clusters.ORDERS, clusters.ANALYTICS, clusters.GATEWAY, clusters.PAGES}


def test_the_services_of_a_release_have_its_prefix() -> None:
    command = [sys.executable, "-m", "frontdoor", "--target", "cluster", "--service-prefix", "shop-"]
    configuration = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    hosts = {
        endpoint["endpoint"]["address"]["socket_address"]["address"]
        for cluster in configuration["static_resources"]["clusters"]
        for locality in cluster["load_assignment"]["endpoints"]
        for endpoint in locality["lb_endpoints"]
    }
    assert hosts == {"shop-orders-headless", "shop-analytics-headless", "shop-gateway-headless", "127.0.0.1"}


def test_connections_of_clients_end_at_an_age_that_is_given() -> None:
    def manager(values: EnvoyValues) -> dict[str, Any]:
        (chain,) = bootstrap(values)["static_resources"]["listeners"][0]["filter_chains"]
        configuration: dict[str, Any] = chain["filters"][0]["typed_config"]
        return configuration

    aged = replace(EnvoyValues.cluster(), connection_seconds=300)
    assert manager(aged)["common_http_protocol_options"]["max_connection_duration"] == "300s"
    assert manager(aged)["http1_safe_max_connection_duration"] is True
    assert "max_connection_duration" not in manager(EnvoyValues.compose())["common_http_protocol_options"]
    validate(render(checkable(aged)))
    with pytest.raises(EnvoyConfigError, match="connection_seconds must be 0 or more, is -1"):
        replace(aged, connection_seconds=-1)


def test_every_public_method_is_routed_to_its_cluster_and_no_internal_one() -> None:
    routes = bootstrap(EnvoyValues.compose())["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]["route_config"]["virtual_hosts"][0]["routes"]
    routes = [route for route in routes if "sec-fetch-site" not in str(route["match"])]
    owners = {
        public_services.ORDERS: "orders",
        public_services.INVENTORY: "orders",
        public_services.ANALYTICS: "analytics",
        public_services.PIPELINE: "gateway",
        public_services.WATCH: "gateway",
        public_services.DEAD_LETTERS: "gateway",
        public_services.TIMELINE: "gateway",
    }
    for service, methods in public_services.public_methods().items():
        assert methods
        for method in methods:
            assert cluster_of(routes, f"/{service}/{method}") == owners[service]
    assert cluster_of(routes, "/ordermesh.internal.v1.OrderLedgerService/GetOrderProgress") is None


RATE_LIMIT = "envoy.filters.http.local_ratelimit"


def cluster_of(routes: list[dict[str, Any]], path: str) -> str | None:
    """Return the cluster of the first route that a gRPC call of the path matches."""
    for route in routes:
        match = route["match"]
        if match.get("path") == path or ("prefix" in match and path.startswith(match["prefix"])):
            return route.get("route", {}).get("cluster")
    return None


def local(**changes: Any) -> EnvoyValues:
    settings = {"orders_sockets": [Path("/run/om/orders-0.sock")], "access_log": Path("/dev/stdout")} | changes
    return EnvoyValues.local(settings.pop("run_dir", Path("/run/om")), **settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_dir": Path("/" + "x" * 100)}, "admin_socket must be an absolute path of at most 107 bytes"),
        ({"run_dir": Path("run")}, "admin_socket must be an absolute path"),
        ({"orders_sockets": []}, "orders_sockets must have at least one socket"),
        ({"front_port": 0}, "front_port must be a port from 1 to 65535, is 0"),
        ({"rate_limit_per_second": 0}, "rate_limit_per_second must be 1 or more, is 0"),
    ],
)
def test_a_value_that_cannot_work_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(EnvoyConfigError, match=said):
        local(**changes)


@pytest.mark.parametrize(
    ("address", "accepted"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False)]
)
def test_without_authentication_the_front_proxy_listens_on_loopback_only(address: str, accepted: bool) -> None:
    if accepted:
        assert local(front_address=address).front.host == address
    else:
        with pytest.raises(EnvoyConfigError, match=f"on loopback only, not on {address}: set ORDERMESH_AUTH"):
            local(front_address=address)
        assert local(front_address=address, identity=CONTAINER).front.host == address


def test_without_authentication_no_filter_of_it_is_in_the_chain() -> None:
    off, on = ([one["name"] for one in http_filters(local(identity=each))] for each in (None, CONTAINER))
    names = {ONE_CREDENTIAL, SPELLING, authentication.CREDENTIALS, authentication.ROLES}
    assert set(on) - set(off) == names
    assert not any(f"name: {name}" in render(local()) for name in names)


def test_callers_are_known_before_limits_and_roles_are_compared_after_the_transcoder() -> None:
    names = [one["name"] for one in http_filters(local(identity=CONTAINER))]
    places = [
        names.index(name) for name in (CORS, authentication.CREDENTIALS, RATE_LIMIT, TRANSCODER, authentication.ROLES)
    ]
    assert places == sorted(places)


def test_the_command_writes_a_target_and_asks_for_one_otherwise(tmp_path: Path) -> None:
    out = tmp_path / "envoy.yaml"
    command = [sys.executable, "-m", "frontdoor"]
    subprocess.run([*command, "--target", "compose", "--out", str(out)], check=True)
    assert out.read_text() == render(EnvoyValues.compose())
    without = subprocess.run(command, capture_output=True, text=True, check=False)
    assert without.returncode == 2
    assert "--target local|compose|cluster" in without.stderr


def test_the_fast_lane_has_its_own_cluster_and_only_uncompressed_hot_methods(tmp_path: Path) -> None:
    sockets = [tmp_path / "lane-0.sock"]
    values = EnvoyValues.local(
        tmp_path, orders_sockets=[tmp_path / "orders-0.sock"], lane_sockets=sockets, access_log=tmp_path / "access.log"
    )
    validate(render(values))
    lane = [route for route in route_table.lane_routes() if route["route"]["cluster"] == clusters.LANE]
    assert {route["match"]["path"] for route in lane} == set(HOT_METHODS)
    assert all("grpc-encoding" in {header["name"] for header in route["match"]["headers"]} for route in lane)


def test_a_grpc_client_has_connections_of_its_own_to_the_fast_lane(tmp_path: Path) -> None:
    """The engine ends a connection on which many calls are cancelled at once, which must not be anybody else's."""
    values = EnvoyValues.local(
        tmp_path,
        orders_sockets=[tmp_path / "orders-0.sock"],
        lane_sockets=[tmp_path / "lane-0.sock"],
        access_log=tmp_path / "access.log",
    )
    apart = {one["name"]: one.get("connection_pool_per_downstream_connection", False) for one in clusters.lanes(values)}
    assert apart == {clusters.LANE: True, clusters.LANE_FOR_REST: False}
    taken = {one["route"]["cluster"]: one["match"]["headers"] for one in route_table.lane_routes()}
    assert [header["name"] for header in taken[clusters.LANE_FOR_REST]] == [replies.ORIGINAL_PATH, "grpc-encoding"]


def test_without_a_fast_lane_nothing_names_it(tmp_path: Path) -> None:
    values = EnvoyValues.local(
        tmp_path, orders_sockets=[tmp_path / "orders-0.sock"], access_log=tmp_path / "access.log"
    )
    assert clusters.LANE not in render(values)
