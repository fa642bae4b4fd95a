import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ordermesh.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PipelineStatus(_message.Message):
    __slots__ = ("read_time", "intake", "outbox", "kafka", "processing", "components", "ready", "reconciliation")
    class Intake(_message.Message):
        __slots__ = ("orders_total", "orders_per_second", "backorders", "calls_per_second", "refused_share", "failed_share", "call_latency")
        ORDERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
        ORDERS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
        BACKORDERS_FIELD_NUMBER: _ClassVar[int]
        CALLS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
        REFUSED_SHARE_FIELD_NUMBER: _ClassVar[int]
        FAILED_SHARE_FIELD_NUMBER: _ClassVar[int]
        CALL_LATENCY_FIELD_NUMBER: _ClassVar[int]
        orders_total: int
        orders_per_second: float
        backorders: int
        calls_per_second: float
        refused_share: float
        failed_share: float
        call_latency: PipelineStatus.Latency
        def __init__(self, orders_total: _Optional[int] = ..., orders_per_second: _Optional[float] = ..., backorders: _Optional[int] = ..., calls_per_second: _Optional[float] = ..., refused_share: _Optional[float] = ..., failed_share: _Optional[float] = ..., call_latency: _Optional[_Union[PipelineStatus.Latency, _Mapping]] = ...) -> None: ...
    class Outbox(_message.Message):
        __slots__ = ("pending", "dead", "oldest_pending_seconds", "published_total", "published_per_second", "latency")
        PENDING_FIELD_NUMBER: _ClassVar[int]
        DEAD_FIELD_NUMBER: _ClassVar[int]
        OLDEST_PENDING_SECONDS_FIELD_NUMBER: _ClassVar[int]
        PUBLISHED_TOTAL_FIELD_NUMBER: _ClassVar[int]
        PUBLISHED_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
        LATENCY_FIELD_NUMBER: _ClassVar[int]
        pending: int
        dead: int
        oldest_pending_seconds: float
        published_total: int
        published_per_second: float
        latency: PipelineStatus.Latency
        def __init__(self, pending: _Optional[int] = ..., dead: _Optional[int] = ..., oldest_pending_seconds: _Optional[float] = ..., published_total: _Optional[int] = ..., published_per_second: _Optional[float] = ..., latency: _Optional[_Union[PipelineStatus.Latency, _Mapping]] = ...) -> None: ...
    class Kafka(_message.Message):
        __slots__ = ("end_offset_total", "brokers", "consumer_lag", "dead_letters")
        END_OFFSET_TOTAL_FIELD_NUMBER: _ClassVar[int]
        BROKERS_FIELD_NUMBER: _ClassVar[int]
        CONSUMER_LAG_FIELD_NUMBER: _ClassVar[int]
        DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
        end_offset_total: int
        brokers: int
        consumer_lag: int
        dead_letters: int
        def __init__(self, end_offset_total: _Optional[int] = ..., brokers: _Optional[int] = ..., consumer_lag: _Optional[int] = ..., dead_letters: _Optional[int] = ...) -> None: ...
    class Processing(_message.Message):
        __slots__ = ("counted_total", "counted_per_second", "workers", "latency", "dead_letters_total", "dead_letters_per_second", "worker_crashes", "paused_partitions")
        COUNTED_TOTAL_FIELD_NUMBER: _ClassVar[int]
        COUNTED_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
        WORKERS_FIELD_NUMBER: _ClassVar[int]
        LATENCY_FIELD_NUMBER: _ClassVar[int]
        DEAD_LETTERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
        DEAD_LETTERS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
        WORKER_CRASHES_FIELD_NUMBER: _ClassVar[int]
        PAUSED_PARTITIONS_FIELD_NUMBER: _ClassVar[int]
        counted_total: int
        counted_per_second: float
        workers: int
        latency: PipelineStatus.Latency
        dead_letters_total: int
        dead_letters_per_second: float
        worker_crashes: int
        paused_partitions: _containers.RepeatedCompositeFieldContainer[PipelineStatus.PausedPartition]
        def __init__(self, counted_total: _Optional[int] = ..., counted_per_second: _Optional[float] = ..., workers: _Optional[int] = ..., latency: _Optional[_Union[PipelineStatus.Latency, _Mapping]] = ..., dead_letters_total: _Optional[int] = ..., dead_letters_per_second: _Optional[float] = ..., worker_crashes: _Optional[int] = ..., paused_partitions: _Optional[_Iterable[_Union[PipelineStatus.PausedPartition, _Mapping]]] = ...) -> None: ...
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
    class Reconciliation(_message.Message):
        __slots__ = ("verdict", "exact_until_time", "summary", "start_time", "age_seconds", "duration_ms", "compared_orders", "findings", "problem")
        VERDICT_FIELD_NUMBER: _ClassVar[int]
        EXACT_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
        SUMMARY_FIELD_NUMBER: _ClassVar[int]
        START_TIME_FIELD_NUMBER: _ClassVar[int]
        AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
        DURATION_MS_FIELD_NUMBER: _ClassVar[int]
        COMPARED_ORDERS_FIELD_NUMBER: _ClassVar[int]
        FINDINGS_FIELD_NUMBER: _ClassVar[int]
        PROBLEM_FIELD_NUMBER: _ClassVar[int]
        verdict: ReconcileResponse.Verdict
        exact_until_time: _timestamp_pb2.Timestamp
        summary: str
        start_time: _timestamp_pb2.Timestamp
        age_seconds: float
        duration_ms: int
        compared_orders: int
        findings: _containers.RepeatedCompositeFieldContainer[PipelineStatus.FindingCount]
        problem: str
        def __init__(self, verdict: _Optional[_Union[ReconcileResponse.Verdict, str]] = ..., exact_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., summary: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age_seconds: _Optional[float] = ..., duration_ms: _Optional[int] = ..., compared_orders: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[PipelineStatus.FindingCount, _Mapping]]] = ..., problem: _Optional[str] = ...) -> None: ...
    class FindingCount(_message.Message):
        __slots__ = ("kind", "count")
        KIND_FIELD_NUMBER: _ClassVar[int]
        COUNT_FIELD_NUMBER: _ClassVar[int]
        kind: ReconcileResponse.Finding.Kind
        count: int
        def __init__(self, kind: _Optional[_Union[ReconcileResponse.Finding.Kind, str]] = ..., count: _Optional[int] = ...) -> None: ...
    class Latency(_message.Message):
        __slots__ = ("p50_ms", "p99_ms")
        P50_MS_FIELD_NUMBER: _ClassVar[int]
        P99_MS_FIELD_NUMBER: _ClassVar[int]
        p50_ms: float
        p99_ms: float
        def __init__(self, p50_ms: _Optional[float] = ..., p99_ms: _Optional[float] = ...) -> None: ...
    class Component(_message.Message):
        __slots__ = ("name", "state", "state_change_time", "message")
        class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            STATE_UNSPECIFIED: _ClassVar[PipelineStatus.Component.State]
            UP: _ClassVar[PipelineStatus.Component.State]
            DOWN: _ClassVar[PipelineStatus.Component.State]
            DEGRADED: _ClassVar[PipelineStatus.Component.State]
            DRAINING: _ClassVar[PipelineStatus.Component.State]
        STATE_UNSPECIFIED: PipelineStatus.Component.State
        UP: PipelineStatus.Component.State
        DOWN: PipelineStatus.Component.State
        DEGRADED: PipelineStatus.Component.State
        DRAINING: PipelineStatus.Component.State
        NAME_FIELD_NUMBER: _ClassVar[int]
        STATE_FIELD_NUMBER: _ClassVar[int]
        STATE_CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        name: str
        state: PipelineStatus.Component.State
        state_change_time: _timestamp_pb2.Timestamp
        message: str
        def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[PipelineStatus.Component.State, str]] = ..., state_change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., message: _Optional[str] = ...) -> None: ...
    READ_TIME_FIELD_NUMBER: _ClassVar[int]
    INTAKE_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_FIELD_NUMBER: _ClassVar[int]
    KAFKA_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    RECONCILIATION_FIELD_NUMBER: _ClassVar[int]
    read_time: _timestamp_pb2.Timestamp
    intake: PipelineStatus.Intake
    outbox: PipelineStatus.Outbox
    kafka: PipelineStatus.Kafka
    processing: PipelineStatus.Processing
    components: _containers.RepeatedCompositeFieldContainer[PipelineStatus.Component]
    ready: bool
    reconciliation: PipelineStatus.Reconciliation
    def __init__(self, read_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., intake: _Optional[_Union[PipelineStatus.Intake, _Mapping]] = ..., outbox: _Optional[_Union[PipelineStatus.Outbox, _Mapping]] = ..., kafka: _Optional[_Union[PipelineStatus.Kafka, _Mapping]] = ..., processing: _Optional[_Union[PipelineStatus.Processing, _Mapping]] = ..., components: _Optional[_Iterable[_Union[PipelineStatus.Component, _Mapping]]] = ..., ready: _Optional[bool] = ..., reconciliation: _Optional[_Union[PipelineStatus.Reconciliation, _Mapping]] = ...) -> None: ...

class WatchStatusRequest(_message.Message):
    __slots__ = ("interval_ms",)
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    interval_ms: int
    def __init__(self, interval_ms: _Optional[int] = ...) -> None: ...

class WatchStatusResponse(_message.Message):
    __slots__ = ("revision", "status")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    status: PipelineStatus
    def __init__(self, revision: _Optional[int] = ..., status: _Optional[_Union[PipelineStatus, _Mapping]] = ...) -> None: ...

class ReconcileRequest(_message.Message):
    __slots__ = ("wait_seconds", "full")
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FULL_FIELD_NUMBER: _ClassVar[int]
    wait_seconds: int
    full: bool
    def __init__(self, wait_seconds: _Optional[int] = ..., full: _Optional[bool] = ...) -> None: ...

class ReconcileResponse(_message.Message):
    __slots__ = ("verdict", "summary", "published", "counted", "in_flight", "dead_letters", "findings", "start_time", "duration_ms", "coverage_start_time", "ids_start_time", "discarded", "compared_orders", "coverage_end_time", "audit")
    class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VERDICT_UNSPECIFIED: _ClassVar[ReconcileResponse.Verdict]
        AGREES: _ClassVar[ReconcileResponse.Verdict]
        IN_FLIGHT: _ClassVar[ReconcileResponse.Verdict]
        DIFFERS: _ClassVar[ReconcileResponse.Verdict]
    VERDICT_UNSPECIFIED: ReconcileResponse.Verdict
    AGREES: ReconcileResponse.Verdict
    IN_FLIGHT: ReconcileResponse.Verdict
    DIFFERS: ReconcileResponse.Verdict
    class Finding(_message.Message):
        __slots__ = ("kind", "minute_start_time", "metric_name", "dimension", "expected", "actual", "event_ids", "event_count", "message", "order_ids", "order_count")
        class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            KIND_UNSPECIFIED: _ClassVar[ReconcileResponse.Finding.Kind]
            LOST: _ClassVar[ReconcileResponse.Finding.Kind]
            PHANTOM: _ClassVar[ReconcileResponse.Finding.Kind]
            METRIC: _ClassVar[ReconcileResponse.Finding.Kind]
            DEAD: _ClassVar[ReconcileResponse.Finding.Kind]
            MINUTE: _ClassVar[ReconcileResponse.Finding.Kind]
            ORDER: _ClassVar[ReconcileResponse.Finding.Kind]
            LEDGER: _ClassVar[ReconcileResponse.Finding.Kind]
        KIND_UNSPECIFIED: ReconcileResponse.Finding.Kind
        LOST: ReconcileResponse.Finding.Kind
        PHANTOM: ReconcileResponse.Finding.Kind
        METRIC: ReconcileResponse.Finding.Kind
        DEAD: ReconcileResponse.Finding.Kind
        MINUTE: ReconcileResponse.Finding.Kind
        ORDER: ReconcileResponse.Finding.Kind
        LEDGER: ReconcileResponse.Finding.Kind
        KIND_FIELD_NUMBER: _ClassVar[int]
        MINUTE_START_TIME_FIELD_NUMBER: _ClassVar[int]
        METRIC_NAME_FIELD_NUMBER: _ClassVar[int]
        DIMENSION_FIELD_NUMBER: _ClassVar[int]
        EXPECTED_FIELD_NUMBER: _ClassVar[int]
        ACTUAL_FIELD_NUMBER: _ClassVar[int]
        EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
        EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
        ORDER_COUNT_FIELD_NUMBER: _ClassVar[int]
        kind: ReconcileResponse.Finding.Kind
        minute_start_time: _timestamp_pb2.Timestamp
        metric_name: str
        dimension: str
        expected: float
        actual: float
        event_ids: _containers.RepeatedScalarFieldContainer[str]
        event_count: int
        message: str
        order_ids: _containers.RepeatedScalarFieldContainer[str]
        order_count: int
        def __init__(self, kind: _Optional[_Union[ReconcileResponse.Finding.Kind, str]] = ..., minute_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metric_name: _Optional[str] = ..., dimension: _Optional[str] = ..., expected: _Optional[float] = ..., actual: _Optional[float] = ..., event_ids: _Optional[_Iterable[str]] = ..., event_count: _Optional[int] = ..., message: _Optional[str] = ..., order_ids: _Optional[_Iterable[str]] = ..., order_count: _Optional[int] = ...) -> None: ...
    class Totals(_message.Message):
        __slots__ = ("events", "orders", "revenue", "units")
        EVENTS_FIELD_NUMBER: _ClassVar[int]
        ORDERS_FIELD_NUMBER: _ClassVar[int]
        REVENUE_FIELD_NUMBER: _ClassVar[int]
        UNITS_FIELD_NUMBER: _ClassVar[int]
        events: int
        orders: int
        revenue: float
        units: int
        def __init__(self, events: _Optional[int] = ..., orders: _Optional[int] = ..., revenue: _Optional[float] = ..., units: _Optional[int] = ...) -> None: ...
    class Audit(_message.Message):
        __slots__ = ("days_done", "days", "rows")
        DAYS_DONE_FIELD_NUMBER: _ClassVar[int]
        DAYS_FIELD_NUMBER: _ClassVar[int]
        ROWS_FIELD_NUMBER: _ClassVar[int]
        days_done: int
        days: int
        rows: int
        def __init__(self, days_done: _Optional[int] = ..., days: _Optional[int] = ..., rows: _Optional[int] = ...) -> None: ...
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_START_TIME_FIELD_NUMBER: _ClassVar[int]
    IDS_START_TIME_FIELD_NUMBER: _ClassVar[int]
    DISCARDED_FIELD_NUMBER: _ClassVar[int]
    COMPARED_ORDERS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_END_TIME_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    verdict: ReconcileResponse.Verdict
    summary: str
    published: ReconcileResponse.Totals
    counted: ReconcileResponse.Totals
    in_flight: int
    dead_letters: int
    findings: _containers.RepeatedCompositeFieldContainer[ReconcileResponse.Finding]
    start_time: _timestamp_pb2.Timestamp
    duration_ms: int
    coverage_start_time: _timestamp_pb2.Timestamp
    ids_start_time: _timestamp_pb2.Timestamp
    discarded: int
    compared_orders: int
    coverage_end_time: _timestamp_pb2.Timestamp
    audit: ReconcileResponse.Audit
    def __init__(self, verdict: _Optional[_Union[ReconcileResponse.Verdict, str]] = ..., summary: _Optional[str] = ..., published: _Optional[_Union[ReconcileResponse.Totals, _Mapping]] = ..., counted: _Optional[_Union[ReconcileResponse.Totals, _Mapping]] = ..., in_flight: _Optional[int] = ..., dead_letters: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[ReconcileResponse.Finding, _Mapping]]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration_ms: _Optional[int] = ..., coverage_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ids_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., discarded: _Optional[int] = ..., compared_orders: _Optional[int] = ..., coverage_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., audit: _Optional[_Union[ReconcileResponse.Audit, _Mapping]] = ...) -> None: ...
