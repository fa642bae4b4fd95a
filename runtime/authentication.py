"""Whether callers are authenticated, and by what: settings of the services, the front proxy and the local stack."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from runtime.addresses import is_on_this_machine
from runtime.settings import PREFIX, Settings

Authentication = Literal["off", "keys", "jwt"]
# The issuer and the audience of tokens that the platform signs for itself.
OWN_ISSUER = "ordermesh"


class AuthenticationSettings(Settings):
    """How callers are authenticated; the services and the front proxy of a platform have the same setting."""

    auth: Authentication = Field(
        default="off",
        description="How callers are authenticated: by API keys, by JSON web tokens (which need the settings "
        "ORDERMESH_JWT_*), or not at all, which is possible on loopback only.",
    )
    # The fields of the addresses at which a service takes calls.
    listens: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def off_on_one_machine_only(self) -> Self:
        """Refuse calls of other machines without authentication: every caller would be an operator."""
        for name in self.listens if self.auth == "off" else ():
            if (address := getattr(self, name)) and not is_on_this_machine(address):
                raise ValueError(
                    f"{PREFIX}{name.upper()} must be a Unix socket or a port on loopback without authentication, is "
                    f"{address}: set {PREFIX}AUTH to keys or jwt, as for the front proxy"
                )
        return self


class IssuerSettings(AuthenticationSettings):
    """The issuer of the tokens that callers send, for the front proxy."""

    jwt_issuer: str = Field(default="", description="Issuer of the tokens (iss).", validate_default=True)
    jwt_audience: str = Field(default="", description="Audience of the tokens (aud).", validate_default=True)
    jwt_jwks: str = Field(
        default="",
        description="The issuer's keys (JWKS): a file, or an address that begins with https://.",
        validate_default=True,
    )
    jwt_role_claim: str = Field(
        default="role",
        min_length=1,
        description="Claim that holds the role: customer, operator or analyst. The subject (sub) is the caller's name.",
    )

    @field_validator("jwt_issuer", "jwt_audience", "jwt_jwks")
    @classmethod
    def needed_for_tokens(cls, value: str, info: ValidationInfo) -> str:
        """Require the value when callers send tokens."""
        if info.data.get("auth") == "jwt" and not value:
            raise ValueError(f"is required with {PREFIX}AUTH=jwt")
        return value

    @field_validator("jwt_issuer")
    @classmethod
    def another_issuer(cls, issuer: str) -> str:
        """Refuse the issuer of the platform's own tokens."""
        if issuer == OWN_ISSUER:
            raise ValueError(f"must not be {OWN_ISSUER}, which is the platform's own issuer")
        return issuer

    @field_validator("jwt_jwks")
    @classmethod
    def file_or_https(cls, jwks: str) -> str:
        """Refuse an address without TLS: whoever answers it can make any token valid."""
        scheme, separator, _ = jwks.partition("://")
        if separator and scheme != "https":
            raise ValueError("must be a file, or an address that begins with https://")
        return jwks
