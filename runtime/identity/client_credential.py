"""The credential that our programs send to a front proxy: a key or a token."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import grpc
from pydantic import Field, SecretStr

from runtime.settings import PREFIX, Settings

AUTHORIZATION = "authorization"


class CredentialSettings(Settings):
    """The credential for a front proxy that is not the local stack's."""

    api_key: SecretStr | None = Field(
        default=None,
        description="Key or token that is sent to the front proxy. Commands find the one of a local stack themselves.",
    )

    @property
    def credential(self) -> str | None:
        """The credential, None without one."""
        return None if self.api_key is None else self.api_key.get_secret_value()


def bearer(credential: str) -> str:
    """Return the value of the header that carries a credential."""
    return f"Bearer {credential}"


def call_metadata(credential: str | None) -> tuple[tuple[str, str], ...] | None:
    """Return the metadata of a call, None without a credential."""
    return None if credential is None else ((AUTHORIZATION, bearer(credential)),)


def with_credential(credential: str | None) -> dict[str, str]:
    """Return our environment for a program that calls a front proxy: a command line would show the credential."""
    return {**os.environ, **({} if credential is None else {f"{PREFIX}API_KEY": credential})}


def authenticated(channel: grpc.Channel, credential: str | None) -> grpc.Channel:
    """Return the channel with the credential in each call."""
    return channel if credential is None else grpc.intercept_channel(channel, WithCredential(credential))


class CallDetails(grpc.ClientCallDetails):
    """The details of a call with other metadata."""

    def __init__(self, details: grpc.ClientCallDetails, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self.method, self.timeout, self.credentials = details.method, details.timeout, details.credentials
        self.metadata = metadata
        self.wait_for_ready = getattr(details, "wait_for_ready", None)
        self.compression = getattr(details, "compression", None)


class WithCredential(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the credential to calls."""

    def __init__(self, credential: str) -> None:
        self._header = (AUTHORIZATION, bearer(credential))

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Call with the credential."""
        return continuation(self._with(details), request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Call with the credential."""
        return continuation(self._with(details), request)

    def _with(self, details: grpc.ClientCallDetails) -> CallDetails:
        return CallDetails(details, (*(details.metadata or ()), self._header))


class CallsWithCredential(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds the credential to unary calls of asyncio."""

    def __init__(self, credential: str) -> None:
        self._header = (AUTHORIZATION, bearer(credential))

    async def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Call with the credential."""
        metadata = grpc.aio.Metadata(*(details.metadata or ()), self._header)
        return await continuation(details._replace(metadata=metadata), request)
