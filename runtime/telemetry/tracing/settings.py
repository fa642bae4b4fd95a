"""Settings of tracing, under the names of OpenTelemetry's specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from runtime import addresses
from runtime.settings import Settings, variable_of

DEFAULT_PORT = 4317
PAIRS_RULE = "must be name=value pairs separated by commas, percent-encoded"


@dataclass(frozen=True, slots=True)
class OtlpEndpoint:
    """Where spans are sent: a Unix socket, or a host and port, with TLS or without; and what each call carries."""

    socket: str
    host: str
    port: int
    secure: bool
    # PEM file of the authorities that are trusted instead of the system's.
    certificate: Path | None
    headers: Mapping[str, str]

    @property
    def target(self) -> str:
        """The target of a gRPC channel."""
        return f"unix:{self.socket}" if self.socket else f"{self.host}:{self.port}"


class TracingSettings(Settings):
    """Where spans are sent and which traces are sampled; nothing is traced without an endpoint."""

    otlp_endpoint: str = Field(
        default="",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Where spans are sent by OTLP over gRPC: `http://host:4317`, `https://host:4317` or `unix:/path`; "
        "empty: nowhere, and none are made.",
    )
    otlp_protocol: Literal["grpc"] = Field(
        default="grpc", validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL", description="Only gRPC is spoken."
    )
    otlp_insecure: bool = Field(
        default=False,
        validation_alias="OTEL_EXPORTER_OTLP_INSECURE",
        description="For an endpoint without http:// or https://: no TLS.",
    )
    otlp_certificate: Path | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_CERTIFICATE",
        description="PEM file of the authorities of an https endpoint, instead of the system's.",
    )
    otlp_headers: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="OTEL_EXPORTER_OTLP_HEADERS",
        description="Headers of each call to the endpoint, such as a token: `name=value,name=value`, percent-encoded.",
    )
    traces_sampler: Literal["parentbased_traceidratio", "parentbased_always_on", "parentbased_always_off"] = Field(
        default="parentbased_traceidratio",
        validation_alias="OTEL_TRACES_SAMPLER",
        description="Which traces the front proxy samples that no client started; a client's decision is kept.",
    )
    traces_sampler_arg: float = Field(
        default=0.01,
        ge=0,
        le=1,
        validation_alias="OTEL_TRACES_SAMPLER_ARG",
        description="The share that parentbased_traceidratio samples.",
    )
    service_name: str = Field(
        default="",
        validation_alias="OTEL_SERVICE_NAME",
        description="Name of the service in its spans; by default that of the program. `ordermesh up` ignores it.",
    )
    resource_attributes: str = Field(
        default="",
        validation_alias="OTEL_RESOURCE_ATTRIBUTES",
        description="Further attributes of the resource: `name=value,name=value`, percent-encoded, such as "
        "`deployment.environment.name=test`.",
    )
    sdk_disabled: bool = Field(
        default=False, validation_alias="OTEL_SDK_DISABLED", description="No spans, whatever the endpoint."
    )

    @field_validator("otlp_headers")
    @classmethod
    def headers_are_pairs(cls, headers: SecretStr) -> SecretStr:
        """Reject what is no list of headers, without showing it."""
        pairs(headers.get_secret_value())
        return headers

    @field_validator("resource_attributes")
    @classmethod
    def attributes_are_pairs(cls, attributes: str) -> str:
        """Reject what is no list of attributes."""
        pairs(attributes)
        return attributes

    @model_validator(mode="after")
    def endpoint_is_complete(self) -> Self:
        """Reject an endpoint that is no address."""
        self._parsed()
        return self

    @property
    def otlp(self) -> OtlpEndpoint | None:
        """Where spans are sent, None for nowhere."""
        return None if self.sdk_disabled else self._parsed()

    @property
    def sampled_share(self) -> float:
        """The share of the traces that no client started, from 0 to 1."""
        shares = {"parentbased_always_on": 1.0, "parentbased_always_off": 0.0}
        return shares.get(self.traces_sampler, self.traces_sampler_arg)

    @property
    def resource(self) -> dict[str, str]:
        """The further attributes of the resource."""
        return pairs(self.resource_attributes)

    def environment(self) -> dict[str, str]:
        """Return the variables that give other programs these settings, without the name of the service."""
        fields, found = TracingSettings.model_fields, {}
        for name in (fields.keys() - Settings.model_fields.keys() - {"service_name"}) & self.model_fields_set:
            value = getattr(self, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else "" if value is None else str(value)
            found[variable_of(name, fields[name])] = text
        return found

    def _parsed(self) -> OtlpEndpoint | None:
        endpoint = self.otlp_endpoint
        if not endpoint:
            return None
        headers = {name.lower(): value for name, value in pairs(self.otlp_headers.get_secret_value()).items()}
        if endpoint.startswith("unix:"):
            path = addresses.socket_path(endpoint)
            return OtlpEndpoint(str(path), "", 0, False, None, headers)
        scheme, host, port = authority(endpoint)
        secure = scheme == "https" or (not scheme and not self.otlp_insecure)
        return OtlpEndpoint("", host, port, secure, self.otlp_certificate, headers)


def authority(endpoint: str) -> tuple[str, str, int]:
    """Return the scheme, the host and the port of an endpoint. Raises ValueError with the name of the setting."""
    problem = f"OTEL_EXPORTER_OTLP_ENDPOINT must be http://host:port, https://host:port or unix:/path, is {endpoint!r}"
    scheme, _, rest = endpoint.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError(problem) from None
    if scheme not in ("", "http", "https") or not host or parts.path not in ("", "/") or "@" in rest:
        raise ValueError(problem)
    return scheme, f"[{host}]" if ":" in host else host, port


def pairs(text: str) -> dict[str, str]:
    """Return the pairs of a list as in W3C Baggage. Raises ValueError."""
    found = {}
    for member in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = member.partition("=")
        if not name.strip() or not equals:
            raise ValueError(PAIRS_RULE)
        found[unquote(name.strip())] = unquote(value.strip())
    return found
