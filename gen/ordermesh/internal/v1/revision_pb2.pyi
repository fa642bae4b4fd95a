from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class OrdersRevision(_message.Message):
    __slots__ = ("version", "topic_id", "next_offsets")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    version: int
    topic_id: bytes
    next_offsets: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, version: _Optional[int] = ..., topic_id: _Optional[bytes] = ..., next_offsets: _Optional[_Iterable[int]] = ...) -> None: ...

class MetricsRevision(_message.Message):
    __slots__ = ("version", "order_offsets", "stock_offsets", "order_topic_id", "stock_topic_id")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ORDER_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    STOCK_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    ORDER_TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    STOCK_TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    version: int
    order_offsets: _containers.RepeatedScalarFieldContainer[int]
    stock_offsets: _containers.RepeatedScalarFieldContainer[int]
    order_topic_id: bytes
    stock_topic_id: bytes
    def __init__(self, version: _Optional[int] = ..., order_offsets: _Optional[_Iterable[int]] = ..., stock_offsets: _Optional[_Iterable[int]] = ..., order_topic_id: _Optional[bytes] = ..., stock_topic_id: _Optional[bytes] = ...) -> None: ...
