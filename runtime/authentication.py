"""Whether callers are authenticated, and by what: settings of the services, the front proxy and the local stack."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runtime.settings import Settings

Authentication = Literal["off", "keys", "jwt"]


class AuthenticationSettings(Settings):
    """How callers are authenticated; the services and the front proxy of a platform have the same setting."""

    auth: Authentication = Field(
        default="off",
        description="How callers are authenticated: by API keys, by JSON web tokens (which need the settings "
        "ORDERMESH_JWT_*), or not at all, which is possible on loopback only.",
    )
