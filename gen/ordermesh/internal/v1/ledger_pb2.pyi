import datetime

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

class LedgerPeriod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEDGER_PERIOD_UNSPECIFIED: _ClassVar[LedgerPeriod]
    MINUTE: _ClassVar[LedgerPeriod]
    DAY: _ClassVar[LedgerPeriod]
LEDGER_PERIOD_UNSPECIFIED: LedgerPeriod
MINUTE: LedgerPeriod
DAY: LedgerPeriod

class EventSum(_message.Message):
    __slots__ = ("start_time", "types", "revenue_minor", "units", "digest")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    REVENUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    types: _containers.RepeatedCompositeFieldContainer[TypeCount]
    revenue_minor: int
    units: int
    digest: int
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., types: _Optional[_Iterable[_Union[TypeCount, _Mapping]]] = ..., revenue_minor: _Optional[int] = ..., units: _Optional[int] = ..., digest: _Optional[int] = ...) -> None: ...

class OrderSum(_message.Message):
    __slots__ = ("start_time", "statuses")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    statuses: _containers.RepeatedCompositeFieldContainer[StatusSum]
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., statuses: _Optional[_Iterable[_Union[StatusSum, _Mapping]]] = ...) -> None: ...

class StatusSum(_message.Message):
    __slots__ = ("status", "orders", "total_minor", "digest")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    status: _orders_pb2.Order.Status
    orders: int
    total_minor: int
    digest: int
    def __init__(self, status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., orders: _Optional[int] = ..., total_minor: _Optional[int] = ..., digest: _Optional[int] = ...) -> None: ...

class OrderState(_message.Message):
    __slots__ = ("order_id", "status", "total_minor", "has_unpublished_events")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    HAS_UNPUBLISHED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    order_id: bytes
    status: _orders_pb2.Order.Status
    total_minor: int
    has_unpublished_events: bool
    def __init__(self, order_id: _Optional[bytes] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., total_minor: _Optional[int] = ..., has_unpublished_events: _Optional[bool] = ...) -> None: ...

class TypeCount(_message.Message):
    __slots__ = ("type", "events")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    type: _events_pb2.EventType
    events: int
    def __init__(self, type: _Optional[_Union[_events_pb2.EventType, str]] = ..., events: _Optional[int] = ...) -> None: ...

class ProductSum(_message.Message):
    __slots__ = ("product_id", "units", "revenue_minor", "uncounted_units", "uncounted_revenue_minor")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    UNCOUNTED_UNITS_FIELD_NUMBER: _ClassVar[int]
    UNCOUNTED_REVENUE_MINOR_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    units: int
    revenue_minor: int
    uncounted_units: int
    uncounted_revenue_minor: int
    def __init__(self, product_id: _Optional[str] = ..., units: _Optional[int] = ..., revenue_minor: _Optional[int] = ..., uncounted_units: _Optional[int] = ..., uncounted_revenue_minor: _Optional[int] = ...) -> None: ...

class AuditedDay(_message.Message):
    __slots__ = ("start_time", "number", "days", "rows", "differences")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    number: int
    days: int
    rows: int
    differences: _containers.RepeatedCompositeFieldContainer[LedgerDifference]
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., number: _Optional[int] = ..., days: _Optional[int] = ..., rows: _Optional[int] = ..., differences: _Optional[_Iterable[_Union[LedgerDifference, _Mapping]]] = ...) -> None: ...

class LedgerDifference(_message.Message):
    __slots__ = ("ledger", "period", "start_time", "product_id", "expected", "actual")
    class Ledger(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LEDGER_UNSPECIFIED: _ClassVar[LedgerDifference.Ledger]
        EVENTS: _ClassVar[LedgerDifference.Ledger]
        ORDERS: _ClassVar[LedgerDifference.Ledger]
        PRODUCTS: _ClassVar[LedgerDifference.Ledger]
    LEDGER_UNSPECIFIED: LedgerDifference.Ledger
    EVENTS: LedgerDifference.Ledger
    ORDERS: LedgerDifference.Ledger
    PRODUCTS: LedgerDifference.Ledger
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    ledger: LedgerDifference.Ledger
    period: LedgerPeriod
    start_time: _timestamp_pb2.Timestamp
    product_id: str
    expected: int
    actual: int
    def __init__(self, ledger: _Optional[_Union[LedgerDifference.Ledger, str]] = ..., period: _Optional[_Union[LedgerPeriod, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., product_id: _Optional[str] = ..., expected: _Optional[int] = ..., actual: _Optional[int] = ...) -> None: ...

class GetOrderProgressRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetOrderProgressResponse(_message.Message):
    __slots__ = ("orders_total", "published_total", "pending", "dead", "oldest_pending_seconds", "publish_p50_ms", "publish_p99_ms", "publisher_heartbeat_time", "backorders")
    ORDERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    OLDEST_PENDING_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_P50_MS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_P99_MS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_HEARTBEAT_TIME_FIELD_NUMBER: _ClassVar[int]
    BACKORDERS_FIELD_NUMBER: _ClassVar[int]
    orders_total: int
    published_total: int
    pending: int
    dead: int
    oldest_pending_seconds: float
    publish_p50_ms: float
    publish_p99_ms: float
    publisher_heartbeat_time: _timestamp_pb2.Timestamp
    backorders: int
    def __init__(self, orders_total: _Optional[int] = ..., published_total: _Optional[int] = ..., pending: _Optional[int] = ..., dead: _Optional[int] = ..., oldest_pending_seconds: _Optional[float] = ..., publish_p50_ms: _Optional[float] = ..., publish_p99_ms: _Optional[float] = ..., publisher_heartbeat_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., backorders: _Optional[int] = ...) -> None: ...

class StreamOrderLedgerRequest(_message.Message):
    __slots__ = ("period", "start_time", "end_time", "closed_minutes")
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CLOSED_MINUTES_FIELD_NUMBER: _ClassVar[int]
    period: LedgerPeriod
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    closed_minutes: bool
    def __init__(self, period: _Optional[_Union[LedgerPeriod, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., closed_minutes: _Optional[bool] = ...) -> None: ...

class StreamOrderLedgerResponse(_message.Message):
    __slots__ = ("pending", "dead_ids", "dead", "discarded", "coverage_start_time", "ids_start_time", "pending_start_time", "events", "orders", "end_time")
    PENDING_FIELD_NUMBER: _ClassVar[int]
    DEAD_IDS_FIELD_NUMBER: _ClassVar[int]
    DEAD_FIELD_NUMBER: _ClassVar[int]
    DISCARDED_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    IDS_START_TIME_FIELD_NUMBER: _ClassVar[int]
    PENDING_START_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    pending: int
    dead_ids: _containers.RepeatedScalarFieldContainer[str]
    dead: int
    discarded: int
    coverage_start_time: _timestamp_pb2.Timestamp
    ids_start_time: _timestamp_pb2.Timestamp
    pending_start_time: _containers.RepeatedCompositeFieldContainer[_timestamp_pb2.Timestamp]
    events: _containers.RepeatedCompositeFieldContainer[EventSum]
    orders: _containers.RepeatedCompositeFieldContainer[OrderSum]
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, pending: _Optional[int] = ..., dead_ids: _Optional[_Iterable[str]] = ..., dead: _Optional[int] = ..., discarded: _Optional[int] = ..., coverage_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ids_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pending_start_time: _Optional[_Iterable[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[EventSum, _Mapping]]] = ..., orders: _Optional[_Iterable[_Union[OrderSum, _Mapping]]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamPublishedIdsRequest(_message.Message):
    __slots__ = ("minute_start_time",)
    MINUTE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    minute_start_time: _timestamp_pb2.Timestamp
    def __init__(self, minute_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamPublishedIdsResponse(_message.Message):
    __slots__ = ("event_ids",)
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    event_ids: bytes
    def __init__(self, event_ids: _Optional[bytes] = ...) -> None: ...

class FindEventsRequest(_message.Message):
    __slots__ = ("event_ids",)
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    event_ids: bytes
    def __init__(self, event_ids: _Optional[bytes] = ...) -> None: ...

class FindEventsResponse(_message.Message):
    __slots__ = ("event_ids",)
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    event_ids: bytes
    def __init__(self, event_ids: _Optional[bytes] = ...) -> None: ...

class StreamOrderStatesRequest(_message.Message):
    __slots__ = ("minute_start_time",)
    MINUTE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    minute_start_time: _timestamp_pb2.Timestamp
    def __init__(self, minute_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamOrderStatesResponse(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[OrderState]
    def __init__(self, orders: _Optional[_Iterable[_Union[OrderState, _Mapping]]] = ...) -> None: ...

class StreamOrderAuditRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamOrderAuditResponse(_message.Message):
    __slots__ = ("day",)
    DAY_FIELD_NUMBER: _ClassVar[int]
    day: AuditedDay
    def __init__(self, day: _Optional[_Union[AuditedDay, _Mapping]] = ...) -> None: ...

class StreamProductSumsRequest(_message.Message):
    __slots__ = ("uncounted_order_ids",)
    UNCOUNTED_ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    uncounted_order_ids: bytes
    def __init__(self, uncounted_order_ids: _Optional[bytes] = ...) -> None: ...

class StreamProductSumsResponse(_message.Message):
    __slots__ = ("products",)
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[ProductSum]
    def __init__(self, products: _Optional[_Iterable[_Union[ProductSum, _Mapping]]] = ...) -> None: ...

class GetAnalyticsProgressRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetAnalyticsProgressResponse(_message.Message):
    __slots__ = ("counted_total", "dead_letters_total", "latency_p50_ms", "latency_p99_ms", "worker_heartbeat_time", "workers", "silent_workers", "positions", "worker_crashes", "paused_partitions")
    COUNTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P50_MS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_P99_MS_FIELD_NUMBER: _ClassVar[int]
    WORKER_HEARTBEAT_TIME_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    SILENT_WORKERS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    WORKER_CRASHES_FIELD_NUMBER: _ClassVar[int]
    PAUSED_PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    counted_total: int
    dead_letters_total: int
    latency_p50_ms: float
    latency_p99_ms: float
    worker_heartbeat_time: _timestamp_pb2.Timestamp
    workers: int
    silent_workers: int
    positions: _containers.RepeatedCompositeFieldContainer[PartitionPosition]
    worker_crashes: int
    paused_partitions: _containers.RepeatedCompositeFieldContainer[PausedPartition]
    def __init__(self, counted_total: _Optional[int] = ..., dead_letters_total: _Optional[int] = ..., latency_p50_ms: _Optional[float] = ..., latency_p99_ms: _Optional[float] = ..., worker_heartbeat_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., workers: _Optional[int] = ..., silent_workers: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[PartitionPosition, _Mapping]]] = ..., worker_crashes: _Optional[int] = ..., paused_partitions: _Optional[_Iterable[_Union[PausedPartition, _Mapping]]] = ...) -> None: ...

class PausedPartition(_message.Message):
    __slots__ = ("topic", "partition", "pause_time", "records", "bad")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    PAUSE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    BAD_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    pause_time: _timestamp_pb2.Timestamp
    records: int
    bad: int
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., pause_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., records: _Optional[int] = ..., bad: _Optional[int] = ...) -> None: ...

class PartitionPosition(_message.Message):
    __slots__ = ("topic", "partition", "next_offset", "topic_id")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    next_offset: int
    topic_id: bytes
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., next_offset: _Optional[int] = ..., topic_id: _Optional[bytes] = ...) -> None: ...

class StreamAnalyticsLedgerRequest(_message.Message):
    __slots__ = ("period", "start_time", "end_time")
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    period: LedgerPeriod
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, period: _Optional[_Union[LedgerPeriod, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamAnalyticsLedgerResponse(_message.Message):
    __slots__ = ("dead_letters", "discarded", "coverage_start_time", "ids_start_time", "dead_letter_order_ids", "events", "orders")
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    DISCARDED_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    IDS_START_TIME_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    dead_letters: int
    discarded: int
    coverage_start_time: _timestamp_pb2.Timestamp
    ids_start_time: _timestamp_pb2.Timestamp
    dead_letter_order_ids: bytes
    events: _containers.RepeatedCompositeFieldContainer[EventSum]
    orders: _containers.RepeatedCompositeFieldContainer[OrderSum]
    def __init__(self, dead_letters: _Optional[int] = ..., discarded: _Optional[int] = ..., coverage_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ids_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dead_letter_order_ids: _Optional[bytes] = ..., events: _Optional[_Iterable[_Union[EventSum, _Mapping]]] = ..., orders: _Optional[_Iterable[_Union[OrderSum, _Mapping]]] = ...) -> None: ...

class StreamCountedIdsRequest(_message.Message):
    __slots__ = ("minute_start_time",)
    MINUTE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    minute_start_time: _timestamp_pb2.Timestamp
    def __init__(self, minute_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamCountedIdsResponse(_message.Message):
    __slots__ = ("event_ids", "dead_letter_ids")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_IDS_FIELD_NUMBER: _ClassVar[int]
    event_ids: bytes
    dead_letter_ids: bytes
    def __init__(self, event_ids: _Optional[bytes] = ..., dead_letter_ids: _Optional[bytes] = ...) -> None: ...

class StreamCountedStatesRequest(_message.Message):
    __slots__ = ("minute_start_time",)
    MINUTE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    minute_start_time: _timestamp_pb2.Timestamp
    def __init__(self, minute_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamCountedStatesResponse(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[OrderState]
    def __init__(self, orders: _Optional[_Iterable[_Union[OrderState, _Mapping]]] = ...) -> None: ...

class StreamAnalyticsAuditRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamAnalyticsAuditResponse(_message.Message):
    __slots__ = ("day",)
    DAY_FIELD_NUMBER: _ClassVar[int]
    day: AuditedDay
    def __init__(self, day: _Optional[_Union[AuditedDay, _Mapping]] = ...) -> None: ...

class AuditMetricsRequest(_message.Message):
    __slots__ = ("all_days",)
    ALL_DAYS_FIELD_NUMBER: _ClassVar[int]
    all_days: bool
    def __init__(self, all_days: _Optional[bool] = ...) -> None: ...

class AuditMetricsResponse(_message.Message):
    __slots__ = ("differences",)
    class Difference(_message.Message):
        __slots__ = ("metric_name", "dimension", "expected", "actual")
        METRIC_NAME_FIELD_NUMBER: _ClassVar[int]
        DIMENSION_FIELD_NUMBER: _ClassVar[int]
        EXPECTED_FIELD_NUMBER: _ClassVar[int]
        ACTUAL_FIELD_NUMBER: _ClassVar[int]
        metric_name: str
        dimension: str
        expected: int
        actual: int
        def __init__(self, metric_name: _Optional[str] = ..., dimension: _Optional[str] = ..., expected: _Optional[int] = ..., actual: _Optional[int] = ...) -> None: ...
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    differences: _containers.RepeatedCompositeFieldContainer[AuditMetricsResponse.Difference]
    def __init__(self, differences: _Optional[_Iterable[_Union[AuditMetricsResponse.Difference, _Mapping]]] = ...) -> None: ...

class StreamProductMetricsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamProductMetricsResponse(_message.Message):
    __slots__ = ("products",)
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[ProductSum]
    def __init__(self, products: _Optional[_Iterable[_Union[ProductSum, _Mapping]]] = ...) -> None: ...
