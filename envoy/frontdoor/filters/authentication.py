"""Who calls and what for: API keys or tokens, the roles of each method, and the removal of forged identities."""

from __future__ import annotations

from pathlib import PurePath

from frontdoor import public_services
from frontdoor.config import Config, extension, header_is, typed
from frontdoor.filters import single_credential, tokens
from frontdoor.policies.identity import CLIENT_HEADER, KEY_HEADER, SESSION_COOKIE, Identity, Keys

CREDENTIALS, ROLES = "credentials", "roles"
API_KEYS = "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth"
# Open to everybody: pages, health and reflection.
PAGE_PATHS = ("/", "/dead-letters", "/order", "/login", "/openapi.json", "/descriptor.binpb", "/healthz")
# Begins and ends a session of the dashboard.
SESSION_PATH = "/session"
PAGE_FOLDERS = ("/docs", "/static")
OPEN_METHODS = ("/grpc.health.v1.Health/", "/grpc.reflection.")


def forged_removed() -> list[Config]:
    """Return the removal of headers that state an identity, in each spelling that a server could take for one."""
    return [{"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in ("x-ordermesh", "x_ordermesh")]


def credentials(identity: Identity) -> list[Config]:
    """Return the filters that refuse a call without valid credentials and state the caller in a header."""
    if identity is None:
        return []
    if isinstance(identity, Keys):
        return [from_file(identity.file)]
    return [tokens.verification(CREDENTIALS, identity), tokens.sound(identity), tokens.caller()]


def from_file(path: str) -> Config:
    """Return the filter whose configuration, the keys, is a file. A replaced file applies to the next calls."""
    source = {
        "path_config_source": {"path": path, "watched_directory": {"path": str(PurePath(path).parent)}},
        "resource_api_version": "V3",
    }
    return {
        "name": CREDENTIALS,
        "config_discovery": {"config_source": source, "type_urls": [f"type.googleapis.com/{API_KEYS}"]},
    }


def keys_resource(clients: dict[str, str]) -> Config:
    """Return the content of the file of keys: `role:subject` by key."""
    sources = [{"header": "authorization"}, {"header": KEY_HEADER}, {"cookie": SESSION_COOKIE}]
    configuration = typed(
        API_KEYS,
        credentials=[{"key": key, "client": client} for key, client in clients.items()],
        key_sources=sources,
        forwarding={"header": CLIENT_HEADER, "hide_credentials": True},
    )
    resource = typed("envoy.config.core.v3.TypedExtensionConfig", name=CREDENTIALS, typed_config=configuration)
    return {"resources": [resource]}


def roles(identity: Identity) -> list[Config]:
    """Return the filter that compares the role of the caller with those of the method.

    It comes after the transcoder, so that it sees the method that is called, whatever the path was. A path that is
    neither open nor one of a method is refused.
    """
    if identity is None:
        return []
    open_to_all = {
        "permissions": [
            *(called(exact=path) for path in (*PAGE_PATHS, SESSION_PATH, *PAGE_FOLDERS)),
            *(called(prefix=prefix) for prefix in (*(f"{folder}/" for folder in PAGE_FOLDERS), *OPEN_METHODS)),
        ],
        "principals": [{"any": True}],
    }
    policies = {role: policy(role, methods) for role, methods in public_services.methods_of_roles().items()}
    rules = {"action": "ALLOW", "policies": {"open": open_to_all, **policies}}
    return [extension(ROLES, "envoy.extensions.filters.http.rbac.v3.RBAC", rules=rules)]


def called(**match: str) -> Config:
    """Match the path of a call, without its query."""
    return {"url_path": {"path": match}}


def policy(role: str, methods: list[str]) -> Config:
    """Return the policy of a role. The subject must be visible ASCII, as customer ids are."""
    caller = header_is(CLIENT_HEADER, safe_regex={"regex": f"{role}:[!-~]+"})
    return {
        "permissions": [called(exact=method) for method in methods],
        "principals": [{"header": caller}],
    }


def open_route(route: Config, identity: Identity) -> Config:
    """Return a route that needs no credentials."""
    if identity is None:
        return route
    off = typed("envoy.config.route.v3.FilterConfig", disabled=True)
    names = [single_credential.ONE_CREDENTIAL, CREDENTIALS]
    names += [] if isinstance(identity, Keys) else [tokens.SOUND, tokens.CALLER]
    return {
        **route,
        "typed_per_filter_config": {**route.get("typed_per_filter_config", {}), **dict.fromkeys(names, off)},
    }
