"""The front lets in who has the login, from this machine's names only, and Envoy accepts its configuration."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import yaml
from frontdoor.check import validate
from frontdoor.values import Address

from stack.observe.__main__ import SITES
from stack.observe.certificates import Certificates
from stack.observe.front import FrontValues, Site, htpasswd, render
from stack.observe.observation import link


def test_envoy_accepts_the_front_of_one_machine_and_of_compose(tmp_path: Path) -> None:
    Certificates().let_ask("front", tmp_path, None)
    sites = {"gauge": Site("/gauge/", Address("127.0.0.1", 9000), "Gauge", "GET")}
    address, admin = Address("127.0.0.1", 9411), tmp_path / "admin.sock"
    validate(render(FrontValues(address, "secret", admin, sites, tmp_path)))
    validate(render(FrontValues(Address("0.0.0.0", 9411), "secret", admin, SITES)))


def test_the_configuration_holds_a_digest_of_the_password_and_passes_no_login_on(tmp_path: Path) -> None:
    text = render(FrontValues(Address("127.0.0.1", 9411), "secret", tmp_path / "admin.sock", SITES))
    digest = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    assert htpasswd("secret") == f"observe:{{SHA}}{digest}"
    assert "secret" not in text
    (listener,) = yaml.safe_load(text)["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["route_config"]["request_headers_to_remove"] == ["authorization"]
    assert manager["http_filters"][0]["name"] == "envoy.filters.http.basic_auth"


def test_a_link_has_the_login_and_leads_to_an_address_without_it() -> None:
    assert link("http://127.0.0.1:9411", "a-b", "/zipkin/") == "http://observe:a-b@127.0.0.1:9411/open/zipkin/"
