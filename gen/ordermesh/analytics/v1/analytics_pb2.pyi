import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ordermesh.options.v1 import options_pb2 as _options_pb2
from ordermesh.orders.v1 import orders_pb2 as _orders_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Freshness(_message.Message):
    __slots__ = ("as_of_time", "lag_ms", "lag_events")
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    LAG_EVENTS_FIELD_NUMBER: _ClassVar[int]
    as_of_time: _timestamp_pb2.Timestamp
    lag_ms: float
    lag_events: int
    def __init__(self, as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lag_ms: _Optional[float] = ..., lag_events: _Optional[int] = ...) -> None: ...

class Metric(_message.Message):
    __slots__ = ("metric_name", "dimension", "value", "update_time")
    METRIC_NAME_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    metric_name: str
    dimension: str
    value: float
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, metric_name: _Optional[str] = ..., dimension: _Optional[str] = ..., value: _Optional[float] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListMetricsRequest(_message.Message):
    __slots__ = ("metric_name", "page_size", "page_token", "min_revisions", "wait_ms")
    METRIC_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISIONS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    metric_name: str
    page_size: int
    page_token: str
    min_revisions: _containers.RepeatedScalarFieldContainer[str]
    wait_ms: int
    def __init__(self, metric_name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., min_revisions: _Optional[_Iterable[str]] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class ListMetricsResponse(_message.Message):
    __slots__ = ("metrics", "next_page_token", "freshness")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    next_page_token: str
    freshness: Freshness
    def __init__(self, metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ...) -> None: ...

class GetSalesSummaryRequest(_message.Message):
    __slots__ = ("min_revisions", "wait_ms")
    MIN_REVISIONS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    min_revisions: _containers.RepeatedScalarFieldContainer[str]
    wait_ms: int
    def __init__(self, min_revisions: _Optional[_Iterable[str]] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class SalesSummary(_message.Message):
    __slots__ = ("orders_total", "revenue_total", "cancelled_revenue", "net_revenue", "average_order_value", "orders_by_status", "restock_requests", "update_time", "freshness")
    ORDERS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    REVENUE_TOTAL_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_REVENUE_FIELD_NUMBER: _ClassVar[int]
    NET_REVENUE_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_ORDER_VALUE_FIELD_NUMBER: _ClassVar[int]
    ORDERS_BY_STATUS_FIELD_NUMBER: _ClassVar[int]
    RESTOCK_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    orders_total: int
    revenue_total: float
    cancelled_revenue: float
    net_revenue: float
    average_order_value: float
    orders_by_status: _containers.RepeatedCompositeFieldContainer[StatusCount]
    restock_requests: int
    update_time: _timestamp_pb2.Timestamp
    freshness: Freshness
    def __init__(self, orders_total: _Optional[int] = ..., revenue_total: _Optional[float] = ..., cancelled_revenue: _Optional[float] = ..., net_revenue: _Optional[float] = ..., average_order_value: _Optional[float] = ..., orders_by_status: _Optional[_Iterable[_Union[StatusCount, _Mapping]]] = ..., restock_requests: _Optional[int] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ...) -> None: ...

class StatusCount(_message.Message):
    __slots__ = ("status", "orders")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    status: _orders_pb2.Order.Status
    orders: int
    def __init__(self, status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., orders: _Optional[int] = ...) -> None: ...

class TopProductsRequest(_message.Message):
    __slots__ = ("limit", "ranking", "min_revisions", "wait_ms")
    class Ranking(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RANKING_UNSPECIFIED: _ClassVar[TopProductsRequest.Ranking]
        UNITS: _ClassVar[TopProductsRequest.Ranking]
        REVENUE: _ClassVar[TopProductsRequest.Ranking]
    RANKING_UNSPECIFIED: TopProductsRequest.Ranking
    UNITS: TopProductsRequest.Ranking
    REVENUE: TopProductsRequest.Ranking
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISIONS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    limit: int
    ranking: TopProductsRequest.Ranking
    min_revisions: _containers.RepeatedScalarFieldContainer[str]
    wait_ms: int
    def __init__(self, limit: _Optional[int] = ..., ranking: _Optional[_Union[TopProductsRequest.Ranking, str]] = ..., min_revisions: _Optional[_Iterable[str]] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class TopProductsResponse(_message.Message):
    __slots__ = ("products", "freshness")
    class ProductSales(_message.Message):
        __slots__ = ("product_id", "units", "revenue")
        PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
        UNITS_FIELD_NUMBER: _ClassVar[int]
        REVENUE_FIELD_NUMBER: _ClassVar[int]
        product_id: str
        units: int
        revenue: float
        def __init__(self, product_id: _Optional[str] = ..., units: _Optional[int] = ..., revenue: _Optional[float] = ...) -> None: ...
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[TopProductsResponse.ProductSales]
    freshness: Freshness
    def __init__(self, products: _Optional[_Iterable[_Union[TopProductsResponse.ProductSales, _Mapping]]] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ...) -> None: ...

class OrdersPerMinuteRequest(_message.Message):
    __slots__ = ("start_time", "end_time", "min_revisions", "wait_ms")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    MIN_REVISIONS_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    min_revisions: _containers.RepeatedScalarFieldContainer[str]
    wait_ms: int
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., min_revisions: _Optional[_Iterable[str]] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class OrdersPerMinuteResponse(_message.Message):
    __slots__ = ("minutes", "freshness")
    class Minute(_message.Message):
        __slots__ = ("start_time", "orders", "revenue")
        START_TIME_FIELD_NUMBER: _ClassVar[int]
        ORDERS_FIELD_NUMBER: _ClassVar[int]
        REVENUE_FIELD_NUMBER: _ClassVar[int]
        start_time: _timestamp_pb2.Timestamp
        orders: int
        revenue: float
        def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., orders: _Optional[int] = ..., revenue: _Optional[float] = ...) -> None: ...
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    minutes: _containers.RepeatedCompositeFieldContainer[OrdersPerMinuteResponse.Minute]
    freshness: Freshness
    def __init__(self, minutes: _Optional[_Iterable[_Union[OrdersPerMinuteResponse.Minute, _Mapping]]] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ...) -> None: ...
