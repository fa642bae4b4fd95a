"""The setting of the keys that sign tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from runtime.settings import Settings

MIN_KEY_CHARACTERS = 32
MAX_KEYS = 8


def checked_keys(keys: SecretStr) -> SecretStr:
    """Return the keys unchanged. Raises ValueError without showing them."""
    found = split_keys(keys)
    if not 1 <= len(found) <= MAX_KEYS:
        raise ValueError(f"must have 1 to {MAX_KEYS} keys, separated by commas, has {len(found)}")
    if min(map(len, found)) < MIN_KEY_CHARACTERS:
        raise ValueError(f"each key must have at least {MIN_KEY_CHARACTERS} characters, as of `openssl rand -hex 32`")
    return keys


def split_keys(keys: SecretStr) -> list[str]:
    """Return the keys, the newest first."""
    return [key for part in keys.get_secret_value().split(",") if (key := part.strip())]


class TokenSettings(Settings):
    """The keys of the tokens that a service issues; all processes of a platform have the same."""

    token_keys: Annotated[SecretStr, AfterValidator(checked_keys)] = Field(
        description="Keys that sign page tokens and revisions, separated by commas: the newest first, which signs; "
        "tokens of the others stay valid (docs/how-to/tokens.md)."
    )
