import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ordermesh.analytics.v1 import analytics_pb2 as _analytics_pb2
from ordermesh.events.v1 import events_pb2 as _events_pb2
from ordermesh.options.v1 import options_pb2 as _options_pb2
from ordermesh.orders.v1 import orders_pb2 as _orders_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchOrdersRequest(_message.Message):
    __slots__ = ("customer_id", "after_revision", "heartbeat_ms")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    after_revision: str
    heartbeat_ms: int
    def __init__(self, customer_id: _Optional[str] = ..., after_revision: _Optional[str] = ..., heartbeat_ms: _Optional[int] = ...) -> None: ...

class WatchOrdersResponse(_message.Message):
    __slots__ = ("revision", "change", "heartbeat", "ended", "skipped")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    revision: str
    change: OrderChange
    heartbeat: Heartbeat
    ended: Ended
    skipped: SkippedRecord
    def __init__(self, revision: _Optional[str] = ..., change: _Optional[_Union[OrderChange, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., skipped: _Optional[_Union[SkippedRecord, _Mapping]] = ...) -> None: ...

class SkippedRecord(_message.Message):
    __slots__ = ("partition", "offset", "reason")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    partition: int
    offset: int
    reason: str
    def __init__(self, partition: _Optional[int] = ..., offset: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class OrderChange(_message.Message):
    __slots__ = ("type", "order_id", "customer_id", "sequence", "status", "previous_status", "total_price", "occur_time")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_STATUS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PRICE_FIELD_NUMBER: _ClassVar[int]
    OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
    type: _events_pb2.EventType
    order_id: str
    customer_id: str
    sequence: int
    status: _orders_pb2.Order.Status
    previous_status: _orders_pb2.Order.Status
    total_price: float
    occur_time: _timestamp_pb2.Timestamp
    def __init__(self, type: _Optional[_Union[_events_pb2.EventType, str]] = ..., order_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., sequence: _Optional[int] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., previous_status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., total_price: _Optional[float] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("send_time",)
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    send_time: _timestamp_pb2.Timestamp
    def __init__(self, send_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class WatchMetricsRequest(_message.Message):
    __slots__ = ("after_revision", "interval_ms", "heartbeat_ms")
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    after_revision: str
    interval_ms: int
    heartbeat_ms: int
    def __init__(self, after_revision: _Optional[str] = ..., interval_ms: _Optional[int] = ..., heartbeat_ms: _Optional[int] = ...) -> None: ...

class WatchMetricsResponse(_message.Message):
    __slots__ = ("revision", "summary", "heartbeat", "ended")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    revision: str
    summary: _analytics_pb2.SalesSummary
    heartbeat: Heartbeat
    ended: Ended
    def __init__(self, revision: _Optional[str] = ..., summary: _Optional[_Union[_analytics_pb2.SalesSummary, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ...) -> None: ...
