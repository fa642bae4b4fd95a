from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
RULES_FIELD_NUMBER: _ClassVar[int]
rules: _descriptor.FieldDescriptor
ACCESS_FIELD_NUMBER: _ClassVar[int]
access: _descriptor.FieldDescriptor

class Access(_message.Message):
    __slots__ = ("roles", "own_orders", "internal")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[Access.Role]
        CUSTOMER: _ClassVar[Access.Role]
        OPERATOR: _ClassVar[Access.Role]
        ANALYST: _ClassVar[Access.Role]
    ROLE_UNSPECIFIED: Access.Role
    CUSTOMER: Access.Role
    OPERATOR: Access.Role
    ANALYST: Access.Role
    ROLES_FIELD_NUMBER: _ClassVar[int]
    OWN_ORDERS_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedScalarFieldContainer[Access.Role]
    own_orders: bool
    internal: bool
    def __init__(self, roles: _Optional[_Iterable[_Union[Access.Role, str]]] = ..., own_orders: _Optional[bool] = ..., internal: _Optional[bool] = ...) -> None: ...

class FieldRules(_message.Message):
    __slots__ = ("number", "text", "items", "time")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    number: NumberRules
    text: TextRules
    items: ItemRules
    time: TimeRules
    def __init__(self, number: _Optional[_Union[NumberRules, _Mapping]] = ..., text: _Optional[_Union[TextRules, _Mapping]] = ..., items: _Optional[_Union[ItemRules, _Mapping]] = ..., time: _Optional[_Union[TimeRules, _Mapping]] = ...) -> None: ...

class NumberRules(_message.Message):
    __slots__ = ("minimum", "maximum", "default_value", "max_decimals", "only_with")
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_DECIMALS_FIELD_NUMBER: _ClassVar[int]
    ONLY_WITH_FIELD_NUMBER: _ClassVar[int]
    minimum: int
    maximum: int
    default_value: int
    max_decimals: int
    only_with: str
    def __init__(self, minimum: _Optional[int] = ..., maximum: _Optional[int] = ..., default_value: _Optional[int] = ..., max_decimals: _Optional[int] = ..., only_with: _Optional[str] = ...) -> None: ...

class TextRules(_message.Message):
    __slots__ = ("min_length", "max_length", "characters", "excluded", "one_of", "format")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[TextRules.Format]
        UUID: _ClassVar[TextRules.Format]
        TOKEN: _ClassVar[TextRules.Format]
    FORMAT_UNSPECIFIED: TextRules.Format
    UUID: TextRules.Format
    TOKEN: TextRules.Format
    MIN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    ONE_OF_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    min_length: int
    max_length: int
    characters: str
    excluded: _containers.RepeatedScalarFieldContainer[str]
    one_of: _containers.RepeatedScalarFieldContainer[str]
    format: TextRules.Format
    def __init__(self, min_length: _Optional[int] = ..., max_length: _Optional[int] = ..., characters: _Optional[str] = ..., excluded: _Optional[_Iterable[str]] = ..., one_of: _Optional[_Iterable[str]] = ..., format: _Optional[_Union[TextRules.Format, str]] = ...) -> None: ...

class ItemRules(_message.Message):
    __slots__ = ("min_items", "max_items", "max_total_price", "max_total_items")
    MIN_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOTAL_PRICE_FIELD_NUMBER: _ClassVar[int]
    MAX_TOTAL_ITEMS_FIELD_NUMBER: _ClassVar[int]
    min_items: int
    max_items: int
    max_total_price: int
    max_total_items: int
    def __init__(self, min_items: _Optional[int] = ..., max_items: _Optional[int] = ..., max_total_price: _Optional[int] = ..., max_total_items: _Optional[int] = ...) -> None: ...

class TimeRules(_message.Message):
    __slots__ = ("earliest", "latest", "span")
    class SpanRules(_message.Message):
        __slots__ = ("start", "max_minutes", "default_minutes")
        START_FIELD_NUMBER: _ClassVar[int]
        MAX_MINUTES_FIELD_NUMBER: _ClassVar[int]
        DEFAULT_MINUTES_FIELD_NUMBER: _ClassVar[int]
        start: str
        max_minutes: int
        default_minutes: int
        def __init__(self, start: _Optional[str] = ..., max_minutes: _Optional[int] = ..., default_minutes: _Optional[int] = ...) -> None: ...
    EARLIEST_FIELD_NUMBER: _ClassVar[int]
    LATEST_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    earliest: str
    latest: str
    span: TimeRules.SpanRules
    def __init__(self, earliest: _Optional[str] = ..., latest: _Optional[str] = ..., span: _Optional[_Union[TimeRules.SpanRules, _Mapping]] = ...) -> None: ...
