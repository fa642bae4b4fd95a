"""Writes records to Kafka byte by byte, as clients in C, Go or Rust may, in the formats of its protocol."""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sasl import authenticate, request

from runtime.kafka.settings import KafkaSettings

PRODUCE, PRODUCE_VERSION = 0, 3
# A topic that was made a moment ago: unknown, or its partition has no leader yet.
NOT_YET = (3, 6)
TIMEOUT_SECONDS = 20
CASTAGNOLI = 0x82F63B78


@dataclass(frozen=True)
class Record:
    """One record; names of headers are bytes, which the protocol does not restrict."""

    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp_ms: int = -1


def produce(settings: KafkaSettings, topic: str, partition: int, records: Sequence[Record]) -> int:
    """Write records as one batch to a broker that leads the partition, and return the first one's offset."""
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while True:
        error, offset = attempt(settings, topic, partition, records)
        if error not in NOT_YET or time.monotonic() > give_up:
            break
        time.sleep(0.1)
    assert error == 0, f"the broker refuses the batch with error {error}"
    return offset


def attempt(settings: KafkaSettings, topic: str, partition: int, records: Sequence[Record]) -> tuple[int, int]:
    """Send one request and return the broker's error code and the offset."""
    batch = record_batch(records)
    name = struct.pack(">h", len(topic)) + topic.encode()
    partitions = struct.pack(">iii", 1, partition, len(batch)) + batch
    # No transaction, all replicas, one topic.
    body = struct.pack(">hhii", -1, -1, TIMEOUT_SECONDS * 1000, 1) + name + partitions
    with connected(settings) as stream:
        reply = request(stream, PRODUCE, PRODUCE_VERSION, body)
    # One topic by name, one partition, its error and the offset.
    found: tuple[int, int] = struct.unpack_from(">hq", reply, 4 + 2 + len(topic) + 4 + 4)
    return found


@contextmanager
def connected(settings: KafkaSettings) -> Iterator[Any]:
    """Connect, and authenticate where the settings have a user."""
    host, _, port = settings.kafka_bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as connection, connection.makefile("rwb") as both:
        if user := settings.kafka_properties.get("sasl.username"):
            authenticate(both, user, settings.kafka_properties["sasl.password"])
        yield both


def record_batch(records: Sequence[Record]) -> bytes:
    """Return records as a batch of format 2, uncompressed."""
    first = records[0].timestamp_ms
    last = max(record.timestamp_ms for record in records)
    body = b"".join(one_record(record, number, first) for number, record in enumerate(records))
    # No producer id, epoch or sequence.
    head = struct.pack(">hiqqqhii", 0, len(records) - 1, first, last, -1, -1, -1, len(records))
    checked = head + body
    return struct.pack(">qiibI", 0, 9 + len(checked), -1, 2, crc32c(checked)) + checked


def one_record(record: Record, number: int, first_timestamp_ms: int) -> bytes:
    """Return a record of a batch."""
    delta_ms = record.timestamp_ms - first_timestamp_ms
    headers = b"".join(sized(name) + sized(value) for name, value in record.headers)
    content = (
        b"\x00"
        + varint(delta_ms)
        + varint(number)
        + sized(record.key)
        + sized(record.value)
        + varint(len(record.headers))
        + headers
    )
    return varint(len(content)) + content


def sized(value: bytes | None) -> bytes:
    """Return bytes behind their length, which is -1 for none."""
    return varint(-1) if value is None else varint(len(value)) + value


def varint(number: int) -> bytes:
    """Return a number in zigzag and groups of seven bits."""
    left = (number << 1) ^ (number >> 63)
    found = bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def crc_table() -> list[int]:
    """Return the checksum of each byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (CASTAGNOLI if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF
