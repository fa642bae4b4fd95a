"""The keys of tokens in tests."""

from pydantic import SecretStr

from runtime.tokens.opaque_token import OpaqueTokens

TOKEN_KEYS = "a-key-of-tests-" + "0" * 32


def tokens(keys: str = TOKEN_KEYS) -> OpaqueTokens:
    """Return the tokens that some keys sign."""
    return OpaqueTokens(SecretStr(keys))
