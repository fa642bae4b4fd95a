from ordermesh.options.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class GetProcessHealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProcessHealthResponse(_message.Message):
    __slots__ = ("calls", "refused", "failed", "p50_ms", "p99_ms", "draining", "database_problem")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    P50_MS_FIELD_NUMBER: _ClassVar[int]
    P99_MS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    DATABASE_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    calls: int
    refused: int
    failed: int
    p50_ms: float
    p99_ms: float
    draining: bool
    database_problem: str
    def __init__(self, calls: _Optional[int] = ..., refused: _Optional[int] = ..., failed: _Optional[int] = ..., p50_ms: _Optional[float] = ..., p99_ms: _Optional[float] = ..., draining: _Optional[bool] = ..., database_problem: _Optional[str] = ...) -> None: ...
