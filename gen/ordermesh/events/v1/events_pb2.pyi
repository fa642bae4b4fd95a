import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from ordermesh.orders.v1 import orders_pb2 as _orders_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_TYPE_UNSPECIFIED: _ClassVar[EventType]
    ORDER_CREATED: _ClassVar[EventType]
    STOCK_ALLOCATED: _ClassVar[EventType]
    PAYMENT_COMPLETED: _ClassVar[EventType]
    ORDER_SHIPPED: _ClassVar[EventType]
    ORDER_CANCELLED: _ClassVar[EventType]
    RESTOCK_REQUESTED: _ClassVar[EventType]
    RESTOCKED: _ClassVar[EventType]
EVENT_TYPE_UNSPECIFIED: EventType
ORDER_CREATED: EventType
STOCK_ALLOCATED: EventType
PAYMENT_COMPLETED: EventType
ORDER_SHIPPED: EventType
ORDER_CANCELLED: EventType
RESTOCK_REQUESTED: EventType
RESTOCKED: EventType

class OrderEvent(_message.Message):
    __slots__ = ("event_id", "order_id", "customer_id", "sequence", "occur_time", "previous_status", "status", "total_minor", "schema_version", "order_created", "stock_allocated", "payment_completed", "order_shipped", "order_cancelled")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MINOR_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    ORDER_CREATED_FIELD_NUMBER: _ClassVar[int]
    STOCK_ALLOCATED_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    ORDER_SHIPPED_FIELD_NUMBER: _ClassVar[int]
    ORDER_CANCELLED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    order_id: str
    customer_id: str
    sequence: int
    occur_time: _timestamp_pb2.Timestamp
    previous_status: _orders_pb2.Order.Status
    status: _orders_pb2.Order.Status
    total_minor: int
    schema_version: int
    order_created: OrderCreated
    stock_allocated: StockAllocated
    payment_completed: PaymentCompleted
    order_shipped: OrderShipped
    order_cancelled: OrderCancelled
    def __init__(self, event_id: _Optional[str] = ..., order_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., sequence: _Optional[int] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., previous_status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., status: _Optional[_Union[_orders_pb2.Order.Status, str]] = ..., total_minor: _Optional[int] = ..., schema_version: _Optional[int] = ..., order_created: _Optional[_Union[OrderCreated, _Mapping]] = ..., stock_allocated: _Optional[_Union[StockAllocated, _Mapping]] = ..., payment_completed: _Optional[_Union[PaymentCompleted, _Mapping]] = ..., order_shipped: _Optional[_Union[OrderShipped, _Mapping]] = ..., order_cancelled: _Optional[_Union[OrderCancelled, _Mapping]] = ...) -> None: ...

class OrderCreated(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("product_id", "quantity", "price_minor")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_MINOR_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    quantity: int
    price_minor: int
    def __init__(self, product_id: _Optional[str] = ..., quantity: _Optional[int] = ..., price_minor: _Optional[int] = ...) -> None: ...

class StockAllocated(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PaymentCompleted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OrderShipped(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OrderCancelled(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StockEvent(_message.Message):
    __slots__ = ("event_id", "product_id", "occur_time", "schema_version", "restock_requested", "restocked")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    RESTOCK_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    RESTOCKED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    product_id: str
    occur_time: _timestamp_pb2.Timestamp
    schema_version: int
    restock_requested: RestockRequested
    restocked: Restocked
    def __init__(self, event_id: _Optional[str] = ..., product_id: _Optional[str] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schema_version: _Optional[int] = ..., restock_requested: _Optional[_Union[RestockRequested, _Mapping]] = ..., restocked: _Optional[_Union[Restocked, _Mapping]] = ...) -> None: ...

class RestockRequested(_message.Message):
    __slots__ = ("order_id", "missing_quantity")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MISSING_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    missing_quantity: int
    def __init__(self, order_id: _Optional[str] = ..., missing_quantity: _Optional[int] = ...) -> None: ...

class Restocked(_message.Message):
    __slots__ = ("quantity",)
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    quantity: int
    def __init__(self, quantity: _Optional[int] = ...) -> None: ...
