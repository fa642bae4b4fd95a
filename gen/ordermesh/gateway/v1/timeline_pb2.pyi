import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ordermesh.events.v1 import events_pb2 as _events_pb2
from ordermesh.options.v1 import options_pb2 as _options_pb2
from ordermesh.orders.v1 import orders_pb2 as _orders_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetOrderTimelineRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class OrderTimeline(_message.Message):
    __slots__ = ("order_id", "customer_id", "status", "total_price", "trace_id", "commit_time", "update_time", "events", "missing", "read_time", "trace_url")
    class Event(_message.Message):
        __slots__ = ("event_id", "event_type", "sequence", "previous_status", "status", "occur_time", "state", "trace_id", "sampled", "publish_time", "outbox_ms", "cause", "topic", "partition", "offset", "count_time", "count_ms", "worker", "dead_letter_id", "missing", "trace_url")
        class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            STATE_UNSPECIFIED: _ClassVar[OrderTimeline.Event.State]
            PENDING: _ClassVar[OrderTimeline.Event.State]
            REJECTED: _ClassVar[OrderTimeline.Event.State]
            DISCARDED: _ClassVar[OrderTimeline.Event.State]
            PUBLISHED: _ClassVar[OrderTimeline.Event.State]
            DEAD_LETTER: _ClassVar[OrderTimeline.Event.State]
            COUNTED: _ClassVar[OrderTimeline.Event.State]
        STATE_UNSPECIFIED: OrderTimeline.Event.State
        PENDING: OrderTimeline.Event.State
        REJECTED: OrderTimeline.Event.State
        DISCARDED: OrderTimeline.Event.State
        PUBLISHED: OrderTimeline.Event.State
        DEAD_LETTER: OrderTimeline.Event.State
        COUNTED: OrderTimeline.Event.State
        EVENT_ID_FIELD_NUMBER: _ClassVar[int]
        EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
        SEQUENCE_FIELD_NUMBER: _ClassVar[int]
        PREVIOUS_STATUS_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
        STATE_FIELD_NUMBER: _ClassVar[int]
        TRACE_ID_FIELD_NUMBER: _ClassVar[int]
        SAMPLED_FIELD_NUMBER: _ClassVar[int]
        PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
        OUTBOX_MS_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        TOPIC_FIELD_NUMBER: _ClassVar[int]
        PARTITION_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        COUNT_TIME_FIELD_NUMBER: _ClassVar[int]
        COUNT_MS_FIELD_NUMBER: _ClassVar[int]
        WORKER_FIELD_NUMBER: _ClassVar[int]
        DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
        MISSING_FIELD_NUMBER: _ClassVar[int]
        TRACE_URL_FIELD_NUMBER: _ClassVar[int]
        event_id: str
        event_type: _events_pb2.EventType
        sequence: int
        previous_status: _orders_pb2.Order.Status
        status: _orders_pb2.Order.Status
        occur_time: _timestamp_pb2.Timestamp
        state: OrderTimeline.Event.State
        trace_id: str
        sampled: bool
        publish_time: _timestamp_pb2.Timestamp
        outbox_ms: float
        cause: str
        topic: str
        partition: int
        offset: int
        count_time: _timestamp_pb2.Timestamp
        count_ms: float
        worker: str
        dead_letter_id: str
        missing: _containers.RepeatedScalarFieldContainer[str]
        trace_url: str
        def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[_Union[_events_pb2.EventType, str]] = ..., sequence: _Optional[int] = ..., previous_status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[OrderTimeline.Event.State, str]] = ..., trace_id: _Optional[str] = ..., sampled: _Optional[bool] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outbox_ms: _Optional[float] = ..., cause: _Optional[str] = ..., topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., count_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., count_ms: _Optional[float] = ..., worker: _Optional[str] = ..., dead_letter_id: _Optional[str] = ..., missing: _Optional[_Iterable[str]] = ..., trace_url: _Optional[str] = ...) -> None: ...
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PRICE_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    TRACE_URL_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    customer_id: str
    status: _orders_pb2.Order.Status
    total_price: float
    trace_id: str
    commit_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    events: _containers.RepeatedCompositeFieldContainer[OrderTimeline.Event]
    missing: _containers.RepeatedScalarFieldContainer[str]
    read_time: _timestamp_pb2.Timestamp
    trace_url: str
    def __init__(self, order_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., total_price: _Optional[float] = ..., trace_id: _Optional[str] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events: _Optional[_Iterable[_Union[OrderTimeline.Event, _Mapping]]] = ..., missing: _Optional[_Iterable[str]] = ..., read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., trace_url: _Optional[str] = ...) -> None: ...
