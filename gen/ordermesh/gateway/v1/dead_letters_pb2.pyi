import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ordermesh.events.v1 import events_pb2 as _events_pb2
from ordermesh.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeadLetter(_message.Message):
    __slots__ = ("dead_letter_id", "source", "topic", "partition", "offset", "reason", "detail", "event_type", "event_id", "key", "state", "create_time", "redrive_time", "discard_time")
    class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SOURCE_UNSPECIFIED: _ClassVar[DeadLetter.Source]
        OUTBOX: _ClassVar[DeadLetter.Source]
        PROCESSOR: _ClassVar[DeadLetter.Source]
    SOURCE_UNSPECIFIED: DeadLetter.Source
    OUTBOX: DeadLetter.Source
    PROCESSOR: DeadLetter.Source
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[DeadLetter.State]
        OPEN: _ClassVar[DeadLetter.State]
        REDRIVEN: _ClassVar[DeadLetter.State]
        DISCARDED: _ClassVar[DeadLetter.State]
    STATE_UNSPECIFIED: DeadLetter.State
    OPEN: DeadLetter.State
    REDRIVEN: DeadLetter.State
    DISCARDED: DeadLetter.State
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REDRIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    DISCARD_TIME_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    source: DeadLetter.Source
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    event_type: _events_pb2.EventType
    event_id: str
    key: str
    state: DeadLetter.State
    create_time: _timestamp_pb2.Timestamp
    redrive_time: _timestamp_pb2.Timestamp
    discard_time: _timestamp_pb2.Timestamp
    def __init__(self, dead_letter_id: _Optional[str] = ..., source: _Optional[_Union[DeadLetter.Source, str]] = ..., topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., event_type: _Optional[_Union[_events_pb2.EventType, str]] = ..., event_id: _Optional[str] = ..., key: _Optional[str] = ..., state: _Optional[_Union[DeadLetter.State, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., redrive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., discard_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetDeadLetterSummaryRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeadLetterSummary(_message.Message):
    __slots__ = ("groups", "outbox_total", "processor_total", "oldest_time", "paused_partitions")
    class Group(_message.Message):
        __slots__ = ("source", "topic", "reason", "event_type", "day_start_time", "dead_letters", "oldest_time", "newest_time")
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        TOPIC_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
        DAY_START_TIME_FIELD_NUMBER: _ClassVar[int]
        DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
        OLDEST_TIME_FIELD_NUMBER: _ClassVar[int]
        NEWEST_TIME_FIELD_NUMBER: _ClassVar[int]
        source: DeadLetter.Source
        topic: str
        reason: str
        event_type: _events_pb2.EventType
        day_start_time: _timestamp_pb2.Timestamp
        dead_letters: int
        oldest_time: _timestamp_pb2.Timestamp
        newest_time: _timestamp_pb2.Timestamp
        def __init__(self, source: _Optional[_Union[DeadLetter.Source, str]] = ..., topic: _Optional[str] = ..., reason: _Optional[str] = ..., event_type: _Optional[_Union[_events_pb2.EventType, str]] = ..., day_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dead_letters: _Optional[int] = ..., oldest_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., newest_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    class PausedPartition(_message.Message):
        __slots__ = ("topic", "partition", "pause_time", "resume_time", "records", "bad")
        TOPIC_FIELD_NUMBER: _ClassVar[int]
        PARTITION_FIELD_NUMBER: _ClassVar[int]
        PAUSE_TIME_FIELD_NUMBER: _ClassVar[int]
        RESUME_TIME_FIELD_NUMBER: _ClassVar[int]
        RECORDS_FIELD_NUMBER: _ClassVar[int]
        BAD_FIELD_NUMBER: _ClassVar[int]
        topic: str
        partition: int
        pause_time: _timestamp_pb2.Timestamp
        resume_time: _timestamp_pb2.Timestamp
        records: int
        bad: int
        def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., pause_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resume_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., records: _Optional[int] = ..., bad: _Optional[int] = ...) -> None: ...
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_TOTAL_FIELD_NUMBER: _ClassVar[int]
    PROCESSOR_TOTAL_FIELD_NUMBER: _ClassVar[int]
    OLDEST_TIME_FIELD_NUMBER: _ClassVar[int]
    PAUSED_PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[DeadLetterSummary.Group]
    outbox_total: int
    processor_total: int
    oldest_time: _timestamp_pb2.Timestamp
    paused_partitions: _containers.RepeatedCompositeFieldContainer[DeadLetterSummary.PausedPartition]
    def __init__(self, groups: _Optional[_Iterable[_Union[DeadLetterSummary.Group, _Mapping]]] = ..., outbox_total: _Optional[int] = ..., processor_total: _Optional[int] = ..., oldest_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., paused_partitions: _Optional[_Iterable[_Union[DeadLetterSummary.PausedPartition, _Mapping]]] = ...) -> None: ...

class ListDeadLettersRequest(_message.Message):
    __slots__ = ("source", "topic", "reason", "text", "event_type", "key", "start_time", "end_time", "state", "page_size", "page_token")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    source: DeadLetter.Source
    topic: str
    reason: str
    text: str
    event_type: _events_pb2.EventType
    key: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    state: DeadLetter.State
    page_size: int
    page_token: str
    def __init__(self, source: _Optional[_Union[DeadLetter.Source, str]] = ..., topic: _Optional[str] = ..., reason: _Optional[str] = ..., text: _Optional[str] = ..., event_type: _Optional[_Union[_events_pb2.EventType, str]] = ..., key: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[DeadLetter.State, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDeadLettersResponse(_message.Message):
    __slots__ = ("dead_letters", "next_page_token", "total_size")
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    dead_letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    next_page_token: str
    total_size: int
    def __init__(self, dead_letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class GetDeadLetterRequest(_message.Message):
    __slots__ = ("dead_letter_id",)
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    def __init__(self, dead_letter_id: _Optional[str] = ...) -> None: ...

class DeadLetterContent(_message.Message):
    __slots__ = ("dead_letter", "key", "value", "headers", "cause_headers", "missing", "order_event", "stock_event", "changes")
    class Header(_message.Message):
        __slots__ = ("name", "name_bytes", "value")
        NAME_FIELD_NUMBER: _ClassVar[int]
        NAME_BYTES_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        name: str
        name_bytes: bytes
        value: bytes
        def __init__(self, name: _Optional[str] = ..., name_bytes: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...
    class Change(_message.Message):
        __slots__ = ("change_time", "action", "subject", "client_address")
        CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
        ACTION_FIELD_NUMBER: _ClassVar[int]
        SUBJECT_FIELD_NUMBER: _ClassVar[int]
        CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
        change_time: _timestamp_pb2.Timestamp
        action: str
        subject: str
        client_address: str
        def __init__(self, change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., action: _Optional[str] = ..., subject: _Optional[str] = ..., client_address: _Optional[str] = ...) -> None: ...
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_HEADERS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    ORDER_EVENT_FIELD_NUMBER: _ClassVar[int]
    STOCK_EVENT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    dead_letter: DeadLetter
    key: bytes
    value: bytes
    headers: _containers.RepeatedCompositeFieldContainer[DeadLetterContent.Header]
    cause_headers: _containers.RepeatedCompositeFieldContainer[DeadLetterContent.Header]
    missing: str
    order_event: _events_pb2.OrderEvent
    stock_event: _events_pb2.StockEvent
    changes: _containers.RepeatedCompositeFieldContainer[DeadLetterContent.Change]
    def __init__(self, dead_letter: _Optional[_Union[DeadLetter, _Mapping]] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., headers: _Optional[_Iterable[_Union[DeadLetterContent.Header, _Mapping]]] = ..., cause_headers: _Optional[_Iterable[_Union[DeadLetterContent.Header, _Mapping]]] = ..., missing: _Optional[str] = ..., order_event: _Optional[_Union[_events_pb2.OrderEvent, _Mapping]] = ..., stock_event: _Optional[_Union[_events_pb2.StockEvent, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[DeadLetterContent.Change, _Mapping]]] = ...) -> None: ...

class ChangeDeadLettersRequest(_message.Message):
    __slots__ = ("dead_letter_ids", "filter", "validate_only")
    DEAD_LETTER_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    dead_letter_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: ListDeadLettersRequest
    validate_only: bool
    def __init__(self, dead_letter_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[ListDeadLettersRequest, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ChangeDeadLettersResponse(_message.Message):
    __slots__ = ("results", "next_page_token", "total_size")
    class Result(_message.Message):
        __slots__ = ("dead_letter_id", "error")
        DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        dead_letter_id: str
        error: str
        def __init__(self, dead_letter_id: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ChangeDeadLettersResponse.Result]
    next_page_token: str
    total_size: int
    def __init__(self, results: _Optional[_Iterable[_Union[ChangeDeadLettersResponse.Result, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ...) -> None: ...

class ResumePartitionsRequest(_message.Message):
    __slots__ = ("partitions",)
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    partitions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, partitions: _Optional[_Iterable[str]] = ...) -> None: ...

class ResumePartitionsResponse(_message.Message):
    __slots__ = ("partitions",)
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    partitions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, partitions: _Optional[_Iterable[str]] = ...) -> None: ...
