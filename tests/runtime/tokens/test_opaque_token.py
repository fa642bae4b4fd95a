"""A token is valid for one method and unchanged, whatever else is sent."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ordermesh.internal.v1.page_token_pb2 import PageToken
from pydantic import SecretStr, ValidationError
from signed_tokens import TOKEN_KEYS, tokens

from runtime.tokens.opaque_token import OpaqueTokens
from runtime.tokens.token_settings import TokenSettings

METHOD = "ordermesh.orders.v1.OrderService/ListOrders"
LONGEST = 512
CONTENT = PageToken(version=2, created_at_us=1_764_000_000_000_000, order_id=bytes(range(16)), filters_hash=b"f" * 16)
TEXT = tokens().to_text(METHOD, CONTENT)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def read(text: str, method: str = METHOD, by: OpaqueTokens | None = None) -> PageToken | None:
    return (by or tokens()).from_text(text, method, PageToken, LONGEST)


def test_a_token_is_what_was_signed_for_its_method_and_no_other() -> None:
    assert read(TEXT) == CONTENT
    assert read(TEXT, METHOD + "s") is None
    # The border of method and content is signed too.
    assert read(TEXT, METHOD[:-1]) is None


def test_every_changed_character_and_every_shorter_text_is_refused() -> None:
    for at, character in enumerate(TEXT):
        for other in ALPHABET:
            if other != character:
                assert read(TEXT[:at] + other + TEXT[at + 1 :]) is None
        assert read(TEXT[:at]) is None
    for longer in (TEXT + "A", TEXT + "=", TEXT + "AAAA", " " + TEXT, TEXT + "\n", "A" * 10_000):
        assert read(longer) is None


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_no_text_is_a_token_unless_it_was_signed(text: str) -> None:
    assert read(text) is None


@given(st.binary())
def test_a_signature_of_another_key_is_refused(content: bytes) -> None:
    forged = OpaqueTokens(SecretStr("f" * 32))
    assert read(forged.to_text(METHOD, PageToken(key=content.hex()))) is None
    # The token of before there were signatures.
    assert read(base64.urlsafe_b64encode(CONTENT.SerializeToString()).rstrip(b"=").decode()) is None


def test_tokens_outlive_a_rotation_and_not_the_removal_of_their_key() -> None:
    rotated = tokens(f"{'n' * 32}, {TOKEN_KEYS}")
    assert read(TEXT, by=rotated) == CONTENT
    new = rotated.to_text(METHOD, CONTENT)
    assert new != TEXT
    assert read(new, by=rotated) == CONTENT
    assert read(new) is None
    assert read(TEXT, by=tokens("n" * 32)) is None


@pytest.mark.parametrize("keys", ["", ",", "short", f"{'k' * 32},short", ",".join(["k" * 32] * 9)])
def test_unusable_keys_are_refused_and_not_shown(keys: str) -> None:
    with pytest.raises(ValidationError, match="key"):
        TokenSettings(token_keys=SecretStr(keys))
