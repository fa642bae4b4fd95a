"""Transports of orders to the target: REST, gRPC, and gRPC in batches."""

from collections.abc import Callable

from loadgen.options import Options, Protocol, Target
from loadgen.transports.answers import Transport
from loadgen.transports.grpc_batch import BatchTransport
from loadgen.transports.grpc_unary import UnaryTransport
from loadgen.transports.rest import RestTransport
from loadgen.workload import Encoder, encode_batch_entry, encode_json, encode_message

ENCODERS: dict[Protocol, Encoder] = {
    Protocol.REST: encode_json,
    Protocol.GRPC: encode_message,
    Protocol.BATCH: encode_batch_entry,
}
_TRANSPORTS: dict[Protocol, Callable[[Target, float], Transport]] = {
    Protocol.REST: RestTransport,
    Protocol.GRPC: UnaryTransport,
    Protocol.BATCH: BatchTransport,
}


def open_transport(options: Options) -> Transport:
    """Return the transport of the protocol; it connects on first use."""
    return _TRANSPORTS[options.protocol](options.target, options.timeout_seconds)
