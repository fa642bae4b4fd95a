"""Reads headers as bytes with librdkafka itself, for records whose headers the Python client cannot read."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p

from confluent_kafka import cimpl

from runtime.kafka import clients
from runtime.kafka.settings import KafkaSettings

Place = tuple[str, int, int]
RawHeaders = list[tuple[bytes, bytes | None]]

CONSUMER = 1
POLL_MS = 100
ERROR_BYTES = 512


class RawMessage(ctypes.Structure):
    """`rd_kafka_message_t`."""

    _fields_ = (
        ("error", c_int),
        ("topic", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("payload_bytes", c_size_t),
        ("key", c_void_p),
        ("key_bytes", c_size_t),
        ("offset", c_int64),
    )


RESULTS = {
    "rd_kafka_conf_new": c_void_p,
    "rd_kafka_new": c_void_p,
    "rd_kafka_topic_partition_list_new": c_void_p,
    "rd_kafka_topic_partition_list_add": c_void_p,
    "rd_kafka_consumer_poll": POINTER(RawMessage),
    "rd_kafka_topic_name": c_char_p,
}


def library() -> ctypes.CDLL:
    """Return the librdkafka of the client. Raises OSError or AttributeError when it cannot be called with ctypes."""
    found = ctypes.CDLL(cimpl.__file__)
    for name, result in RESULTS.items():
        getattr(found, name).restype = result
    return found


def read(
    settings: KafkaSettings, client_id: str, places: Collection[Place], patience_seconds: float
) -> dict[Place, RawHeaders]:
    """Return the headers of the records at these places, as far as they can be read in time."""
    wanted, found = set(places), dict[Place, RawHeaders]()
    give_up = time.monotonic() + patience_seconds
    with consumer(settings, client_id, wanted) as (lib, handle):
        while wanted and time.monotonic() < give_up:
            message = lib.rd_kafka_consumer_poll(handle, POLL_MS)
            if not message:
                continue
            at = message.contents
            if not at.error:
                place = lib.rd_kafka_topic_name(c_void_p(at.topic)).decode(), at.partition, at.offset
                if place in wanted:
                    wanted.remove(place)
                    found[place] = list(headers(lib, message))
            lib.rd_kafka_message_destroy(message)
    return found


@contextmanager
def consumer(
    settings: KafkaSettings, client_id: str, places: Collection[Place]
) -> Iterator[tuple[ctypes.CDLL, c_void_p]]:
    """Open a consumer that reads from the first place of each partition. Raises OSError when it cannot be created."""
    lib = library()
    starts: dict[tuple[str, int], int] = {}
    for topic, partition, offset in places:
        starts[topic, partition] = min(offset, starts.get((topic, partition), offset))
    handle = c_void_p(lib.rd_kafka_new(CONSUMER, configuration(lib, settings, client_id), None, c_size_t(0)))
    if not handle:
        raise OSError("librdkafka cannot create a consumer with these properties")
    partitions = c_void_p(lib.rd_kafka_topic_partition_list_new(len(starts)))
    try:
        for (topic, partition), offset in starts.items():
            name = topic.encode()
            lib.rd_kafka_topic_partition_list_add(partitions, name, c_int32(partition))
            lib.rd_kafka_topic_partition_list_set_offset(partitions, name, c_int32(partition), c_int64(offset))
        lib.rd_kafka_assign(handle, partitions)
        yield lib, handle
    finally:
        lib.rd_kafka_topic_partition_list_destroy(partitions)
        lib.rd_kafka_consumer_close(handle)
        lib.rd_kafka_destroy(handle)


def configuration(lib: ctypes.CDLL, settings: KafkaSettings, client_id: str) -> c_void_p:
    """Return the properties of a consumer without a group. Raises OSError for a property that librdkafka refuses."""
    quiet = {"group.id": client_id, "enable.auto.commit": False, "log_level": 0}
    made = c_void_p(lib.rd_kafka_conf_new())
    for name, value in {**clients.base_config(settings, client_id), **quiet}.items():
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        error = ctypes.create_string_buffer(ERROR_BYTES)
        if lib.rd_kafka_conf_set(made, name.encode(), shown.encode(), error, c_size_t(ERROR_BYTES)):
            raise OSError(error.value.decode(errors="replace"))
    return made


def headers(lib: ctypes.CDLL, message: object) -> Iterator[tuple[bytes, bytes | None]]:
    """Return the headers of a message; the library truncates a name at its first zero byte."""
    found = c_void_p()
    if lib.rd_kafka_message_headers(message, byref(found)):
        return
    name, value, size = c_char_p(), c_void_p(), c_size_t()
    index = 0
    while not lib.rd_kafka_header_get_all(found, c_size_t(index), byref(name), byref(value), byref(size)):
        yield name.value or b"", ctypes.string_at(value, size.value) if value.value else None
        index += 1
