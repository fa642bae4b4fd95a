from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PageToken(_message.Message):
    __slots__ = ("version", "created_at_us", "order_id", "key", "filters_hash")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FILTERS_HASH_FIELD_NUMBER: _ClassVar[int]
    version: int
    created_at_us: int
    order_id: bytes
    key: str
    filters_hash: bytes
    def __init__(self, version: _Optional[int] = ..., created_at_us: _Optional[int] = ..., order_id: _Optional[bytes] = ..., key: _Optional[str] = ..., filters_hash: _Optional[bytes] = ...) -> None: ...
