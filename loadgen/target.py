"""Checks that the target is a front proxy, and describes what it is otherwise."""

import asyncio

import grpc
from ordermesh.gateway.v1 import pipeline_pb2

from loadgen.options import Target
from runtime.grpc.client_tls import ClientTlsSettings, open_async_channel
from runtime.identity.client_credential import CallsWithCredential
from runtime.settings import PREFIX

STATUS = "/ordermesh.gateway.v1.PipelineService/GetStatus"
CONNECT_SECONDS = 5.0
PROBE_SECONDS = 3.0
# The errors of the front proxy carry it, also when a component behind it is down.
DETAILS = "grpc-status-details-bin"
HEAD_BYTES = 2_048


class TargetNotReady(Exception):
    """The target does not respond or is not ready; the message has the reason and the remedy."""


def open_channel(target: Target) -> grpc.aio.Channel:
    """Return a channel whose calls carry the credential of the target."""
    interceptors = [] if target.credential is None else [CallsWithCredential(target.credential)]
    return open_async_channel(target.channel_address, interceptors=interceptors)


async def require_front_proxy(target: Target) -> None:
    """Raise TargetNotReady within seconds when the target does not respond or is not a front proxy."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(target.host, target.port)
        writer.close()
    except (OSError, TimeoutError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        raise TargetNotReady(f"{target.url} does not respond ({why}); is it running?") from None
    if (code := await _refused_with(target)) is not None:
        answered = await _over_http(target)
        raise TargetNotReady(
            f"{target.url} is not a front proxy: PipelineService.GetStatus returned {code.name}, "
            f"GET /healthz returned {answered}; `ordermesh status` shows the address of envoy"
        )


async def _refused_with(target: Target) -> grpc.StatusCode | None:
    """Call GetStatus; return the code of an error that is not from the front proxy, else None."""
    request = pipeline_pb2.GetStatusRequest.SerializeToString
    async with open_channel(target) as channel:
        ask = channel.unary_unary(STATUS, request, pipeline_pb2.PipelineStatus.FromString)
        try:
            await ask(pipeline_pb2.GetStatusRequest(), timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError as error:
            refused_caller = error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
            from_front_proxy = DETAILS in (error.trailing_metadata() or ())
            if from_front_proxy and refused_caller:
                raise TargetNotReady(
                    f"http://{target.address} requires an operator's key or token ({error.code().name}): "
                    f"set {PREFIX}API_KEY or {PREFIX}API_KEY_FILE"
                ) from None
            return None if from_front_proxy else error.code()
    return None


async def _over_http(target: Target) -> str:
    """Return the status line and the server header of an HTTP/1.1 response."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            context = ClientTlsSettings.load().tls.context() if target.tls else None
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
            writer.write(f"GET /healthz HTTP/1.1\r\nhost: {target.address}\r\nconnection: close\r\n\r\n".encode())
            head = await reader.read(HEAD_BYTES)
            writer.close()
    except (OSError, TimeoutError):
        return "nothing"
    lines = head.decode(errors="replace").splitlines()
    named = [line for line in lines[1:] if line.lower().startswith("server:")]
    shown = ", ".join([*lines[:1], *named])
    return f'"{shown}"' if shown.isprintable() and shown.startswith("HTTP/") else "something that is not HTTP/1.1"
