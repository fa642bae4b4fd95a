"""For how long the two ends of the pipeline remember an event, and the rule that holds between them."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from runtime.settings import PREFIX, Settings


class RetentionSettings(Settings):
    """What the programs at both ends must be given alike; each of them checks the rule when it starts."""

    outbox_retention_days: int = Field(default=7, ge=1, le=3650, description="Days that sent events are kept.")
    processor_retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        validate_default=True,
        description="Days for which it is known whether an event was counted; longer than the outbox keeps it.",
    )

    @field_validator("processor_retention_days")
    @classmethod
    def outlives_the_outbox(cls, days: int, info: ValidationInfo) -> int:
        """Refuse to forget what was counted while it can still be published again, or is compared with the outbox."""
        outbox_days = info.data.get("outbox_retention_days", 0)
        if days <= outbox_days:
            name = f"{PREFIX}OUTBOX_RETENTION_DAYS"
            raise ValueError(f"must be at least {outbox_days + 1}, a day more than {name}, which is {outbox_days}")
        return days
