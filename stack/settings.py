"""The stack's own settings: ports, numbers of processes, and servers that exist already."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, SecretStr

from runtime.settings import PREFIX, Settings
from stack import ports


class StackSettings(Settings):
    """What one person's stack listens on and runs."""

    front_port: int = Field(default=8080, ge=1, le=65_535)
    envoy_admin_port: int = Field(default=9901, ge=1, le=65_535)
    envoy_stats_port: int = Field(default=9902, ge=1, le=65_535)
    postgres_port: int = Field(default=15_432, ge=1, le=65_535)
    kafka_port: int = Field(default=19_092, ge=1, le=65_535)
    kafka_controller_port: int = Field(default=19_093, ge=1, le=65_535)
    orders_metrics_port: int = Field(default=9101, ge=1, le=65_535)
    publisher_metrics_port: int = Field(default=9102, ge=1, le=65_535)
    processor_metrics_port: int = Field(default=9103, ge=1, le=65_535)
    analytics_metrics_port: int = Field(default=9104, ge=1, le=65_535)
    gateway_metrics_port: int = Field(default=9105, ge=1, le=65_535)
    orders_processes: int = Field(default=2, ge=1, le=64)
    orders_lane: bool = True
    processor_workers: int = Field(default=2, ge=1, le=64)
    rate_limit_per_second: int = Field(default=20_000, ge=1)
    postgres_admin_dsn: SecretStr | None = None

    @property
    def external_kafka(self) -> bool:
        """Say whether a broker was given, so that none is started."""
        return "kafka_bootstrap" in self.model_fields_set

    @property
    def bootstrap(self) -> str:
        """The broker's address, given or local."""
        return self.kafka_bootstrap if self.external_kafka else f"{ports.LOOPBACK}:{self.kafka_port}"

    def local_ports(self) -> Mapping[str, int]:
        """Return the ports that this stack listens on, keyed by their setting."""
        external = set()
        if self.external_kafka:
            external |= {"kafka_port", "kafka_controller_port"}
        if self.postgres_admin_dsn is not None:
            external.add("postgres_port")
        names = [name for name in type(self).model_fields if name.endswith("_port") and name not in external]
        return {f"{PREFIX}{name.upper()}": getattr(self, name) for name in names}

    @classmethod
    def with_free_ports(cls, **chosen: object) -> StackSettings:
        """Return settings whose ports are free now; chosen ones override the environment."""
        names = [name for name in cls.model_fields if name.endswith("_port") and name not in chosen]
        return cls(**dict(zip(names, ports.allocate(len(names)), strict=True)) | chosen)  # type: ignore[arg-type]  # pydantic checks them
