"""The retention of events at both ends of the pipeline, and the rule between them."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from runtime.settings import PREFIX, Settings


class RetentionSettings(Settings):
    """Settings that must be the same at both ends; each program checks the rule when it starts."""

    outbox_retention_days: int = Field(
        default=7, ge=1, le=3650, description="Retention of sent events in the outbox, in days."
    )
    processor_retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        validate_default=True,
        description="Retention of counted event ids for deduplication, in days; longer than that of the outbox.",
    )

    audit_retention_days: int = Field(
        default=400, ge=90, le=3650, description="Retention of the audit log, in days, in both databases."
    )

    @field_validator("processor_retention_days")
    @classmethod
    def outlives_the_outbox(cls, days: int, info: ValidationInfo) -> int:
        """Require that ids of counted events outlive the events in the outbox, which can be published again."""
        outbox_days = info.data.get("outbox_retention_days", 0)
        if days <= outbox_days:
            name = f"{PREFIX}OUTBOX_RETENTION_DAYS"
            raise ValueError(f"must be at least {outbox_days + 1}, one more than {name}, which is {outbox_days}")
        return days
