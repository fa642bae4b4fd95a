import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ordermesh.events.v1 import events_pb2 as _events_pb2
from ordermesh.options.v1 import options_pb2 as _options_pb2
from ordermesh.orders.v1 import orders_pb2 as _orders_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListOutboxEventsRequest(_message.Message):
    __slots__ = ("order_id", "event_ids")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, order_id: _Optional[str] = ..., event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListOutboxEventsResponse(_message.Message):
    __slots__ = ("found", "customer_id", "status", "total_minor", "trace_id", "create_time", "update_time", "sequence", "events", "retained_start_time")
    class Event(_message.Message):
        __slots__ = ("event_id", "event_type", "sequence", "previous_status", "status", "occur_time", "outbox_status", "publish_time", "cause", "traceparent", "outbox_id")
        EVENT_ID_FIELD_NUMBER: _ClassVar[int]
        EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
        SEQUENCE_FIELD_NUMBER: _ClassVar[int]
        PREVIOUS_STATUS_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
        OUTBOX_STATUS_FIELD_NUMBER: _ClassVar[int]
        PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
        OUTBOX_ID_FIELD_NUMBER: _ClassVar[int]
        event_id: str
        event_type: _events_pb2.EventType
        sequence: int
        previous_status: _orders_pb2.Order.Status
        status: _orders_pb2.Order.Status
        occur_time: _timestamp_pb2.Timestamp
        outbox_status: str
        publish_time: _timestamp_pb2.Timestamp
        cause: str
        traceparent: str
        outbox_id: int
        def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[_Union[_events_pb2.EventType, str]] = ..., sequence: _Optional[int] = ..., previous_status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outbox_status: _Optional[str] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause: _Optional[str] = ..., traceparent: _Optional[str] = ..., outbox_id: _Optional[int] = ...) -> None: ...
    FOUND_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RETAINED_START_TIME_FIELD_NUMBER: _ClassVar[int]
    found: bool
    customer_id: str
    status: _orders_pb2.Order.Status
    total_minor: int
    trace_id: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    sequence: int
    events: _containers.RepeatedCompositeFieldContainer[ListOutboxEventsResponse.Event]
    retained_start_time: _timestamp_pb2.Timestamp
    def __init__(self, found: _Optional[bool] = ..., customer_id: _Optional[str] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., total_minor: _Optional[int] = ..., trace_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence: _Optional[int] = ..., events: _Optional[_Iterable[_Union[ListOutboxEventsResponse.Event, _Mapping]]] = ..., retained_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListCountedEventsRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class ListCountedEventsResponse(_message.Message):
    __slots__ = ("events", "dead_letters", "retained_start_time")
    class Event(_message.Message):
        __slots__ = ("event_id", "event_type", "previous_status", "status", "occur_time", "count_time", "partition", "offset", "worker")
        EVENT_ID_FIELD_NUMBER: _ClassVar[int]
        EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
        PREVIOUS_STATUS_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
        COUNT_TIME_FIELD_NUMBER: _ClassVar[int]
        PARTITION_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        WORKER_FIELD_NUMBER: _ClassVar[int]
        event_id: str
        event_type: _events_pb2.EventType
        previous_status: _orders_pb2.Order.Status
        status: _orders_pb2.Order.Status
        occur_time: _timestamp_pb2.Timestamp
        count_time: _timestamp_pb2.Timestamp
        partition: int
        offset: int
        worker: str
        def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[_Union[_events_pb2.EventType, str]] = ..., previous_status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., count_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., worker: _Optional[str] = ...) -> None: ...
    class DeadLetter(_message.Message):
        __slots__ = ("dead_letter_id", "event_id", "event_type", "topic", "partition", "offset", "cause", "create_time")
        DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
        EVENT_ID_FIELD_NUMBER: _ClassVar[int]
        EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
        TOPIC_FIELD_NUMBER: _ClassVar[int]
        PARTITION_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
        dead_letter_id: str
        event_id: str
        event_type: _events_pb2.EventType
        topic: str
        partition: int
        offset: int
        cause: str
        create_time: _timestamp_pb2.Timestamp
        def __init__(self, dead_letter_id: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[_Union[_events_pb2.EventType, str]] = ..., topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., cause: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    RETAINED_START_TIME_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[ListCountedEventsResponse.Event]
    dead_letters: _containers.RepeatedCompositeFieldContainer[ListCountedEventsResponse.DeadLetter]
    retained_start_time: _timestamp_pb2.Timestamp
    def __init__(self, events: _Optional[_Iterable[_Union[ListCountedEventsResponse.Event, _Mapping]]] = ..., dead_letters: _Optional[_Iterable[_Union[ListCountedEventsResponse.DeadLetter, _Mapping]]] = ..., retained_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
