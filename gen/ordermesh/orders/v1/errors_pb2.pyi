from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    INVALID_FIELD: _ClassVar[ErrorReason]
    UNKNOWN_PRODUCT: _ClassVar[ErrorReason]
    INVALID_PAGE_TOKEN: _ClassVar[ErrorReason]
    ORDER_NOT_FOUND: _ClassVar[ErrorReason]
    PRODUCT_NOT_FOUND: _ClassVar[ErrorReason]
    PRODUCT_EXISTS: _ClassVar[ErrorReason]
    REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    ILLEGAL_TRANSITION: _ClassVar[ErrorReason]
    PRODUCT_NOT_TRACKED: _ClassVar[ErrorReason]
    OVERLOADED: _ClassVar[ErrorReason]
    RATE_LIMITED: _ClassVar[ErrorReason]
    DATABASE_UNAVAILABLE: _ClassVar[ErrorReason]
    OUTCOME_UNKNOWN: _ClassVar[ErrorReason]
    EXPIRED: _ClassVar[ErrorReason]
    INTERNAL_FAULT: _ClassVar[ErrorReason]
    COMPONENT_UNAVAILABLE: _ClassVar[ErrorReason]
    REVISION_GONE: _ClassVar[ErrorReason]
    UNAUTHENTICATED: _ClassVar[ErrorReason]
    PERMISSION_DENIED: _ClassVar[ErrorReason]
    DEAD_LETTER_NOT_FOUND: _ClassVar[ErrorReason]
    NOT_COUNTED: _ClassVar[ErrorReason]
    MALFORMED_REQUEST: _ClassVar[ErrorReason]
    PATH_NOT_FOUND: _ClassVar[ErrorReason]
    METHOD_NOT_ALLOWED: _ClassVar[ErrorReason]
    UNSUPPORTED_MEDIA_TYPE: _ClassVar[ErrorReason]
    REQUEST_TOO_LARGE: _ClassVar[ErrorReason]
    REQUEST_TIMED_OUT: _ClassVar[ErrorReason]
    NO_ANSWER_IN_TIME: _ClassVar[ErrorReason]
    SERVICE_UNAVAILABLE: _ClassVar[ErrorReason]
    HOST_NOT_ALLOWED: _ClassVar[ErrorReason]
    CROSS_SITE_REQUEST: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
INVALID_FIELD: ErrorReason
UNKNOWN_PRODUCT: ErrorReason
INVALID_PAGE_TOKEN: ErrorReason
ORDER_NOT_FOUND: ErrorReason
PRODUCT_NOT_FOUND: ErrorReason
PRODUCT_EXISTS: ErrorReason
REQUEST_ID_REUSED: ErrorReason
ILLEGAL_TRANSITION: ErrorReason
PRODUCT_NOT_TRACKED: ErrorReason
OVERLOADED: ErrorReason
RATE_LIMITED: ErrorReason
DATABASE_UNAVAILABLE: ErrorReason
OUTCOME_UNKNOWN: ErrorReason
EXPIRED: ErrorReason
INTERNAL_FAULT: ErrorReason
COMPONENT_UNAVAILABLE: ErrorReason
REVISION_GONE: ErrorReason
UNAUTHENTICATED: ErrorReason
PERMISSION_DENIED: ErrorReason
DEAD_LETTER_NOT_FOUND: ErrorReason
NOT_COUNTED: ErrorReason
MALFORMED_REQUEST: ErrorReason
PATH_NOT_FOUND: ErrorReason
METHOD_NOT_ALLOWED: ErrorReason
UNSUPPORTED_MEDIA_TYPE: ErrorReason
REQUEST_TOO_LARGE: ErrorReason
REQUEST_TIMED_OUT: ErrorReason
NO_ANSWER_IN_TIME: ErrorReason
SERVICE_UNAVAILABLE: ErrorReason
HOST_NOT_ALLOWED: ErrorReason
CROSS_SITE_REQUEST: ErrorReason
