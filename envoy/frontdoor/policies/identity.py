"""How callers are authenticated: by API keys or by JSON web tokens."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import Field

from runtime.authentication import Authentication, IssuerSettings
from runtime.telemetry.tracing.settings import TracingSettings

# The caller as the services see it, `role:subject`. A client cannot set it.
CLIENT_HEADER = "x-ordermesh-client"
# Holds a key or a token; pages of the dashboard cannot send other headers with their streams.
SESSION_COOKIE = "ordermesh_session"
KEY_HEADER = "x-api-key"
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Keys:
    """API keys, in a file that Envoy reads again when it is replaced."""

    file: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """JSON web tokens of an issuer, and those that the platform signs for itself with the key in `own_jwks`."""

    issuer: str
    audience: str
    # A file, or an address that begins with https://.
    jwks: str
    role_claim: str = "role"
    own_jwks: str = ""
    # The certificate authorities that Envoy trusts for the address.
    authorities: str = SYSTEM_AUTHORITIES

    @property
    def address(self) -> tuple[str, int] | None:
        """Return the host and port of the JWKS, None for a file."""
        parts = urlsplit(self.jwks)
        return (parts.hostname or "", parts.port or 443) if parts.scheme == "https" else None


Identity = Keys | Tokens | None
# In a container, only Envoy's account can read the file.
CONTAINER_KEYS = "/keys/envoy/keys.json"
CONTAINER = Keys(CONTAINER_KEYS)


class FrontSettings(IssuerSettings, TracingSettings):
    """How the front proxy of containers authenticates callers, and where it sends spans."""

    auth: Authentication = Field(
        default="keys", description="As for the services; off is possible for a front proxy on loopback only."
    )


def identity_of(settings: IssuerSettings, keys: str, own_jwks: str = "", jwks: str = "") -> Identity:
    """Return how callers are authenticated; `keys` is Envoy's file of keys, `jwks` replaces the one of the settings."""
    if settings.auth == "off":
        return None
    if settings.auth == "keys":
        return Keys(keys)
    return Tokens(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        jwks=jwks or settings.jwt_jwks,
        role_claim=settings.jwt_role_claim,
        own_jwks=own_jwks,
    )
