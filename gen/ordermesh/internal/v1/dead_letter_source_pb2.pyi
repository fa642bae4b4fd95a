from ordermesh.gateway.v1 import dead_letters_pb2 as _dead_letters_pb2
from ordermesh.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Origin(_message.Message):
    __slots__ = ("role", "subject", "client_address", "request_id", "trace_id")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    role: str
    subject: str
    client_address: str
    request_id: str
    trace_id: str
    def __init__(self, role: _Optional[str] = ..., subject: _Optional[str] = ..., client_address: _Optional[str] = ..., request_id: _Optional[str] = ..., trace_id: _Optional[str] = ...) -> None: ...

class SummarizeSourceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SummarizeSourceResponse(_message.Message):
    __slots__ = ("groups", "total", "paused_partitions")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PAUSED_PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[_dead_letters_pb2.DeadLetterSummary.Group]
    total: int
    paused_partitions: _containers.RepeatedCompositeFieldContainer[_dead_letters_pb2.DeadLetterSummary.PausedPartition]
    def __init__(self, groups: _Optional[_Iterable[_Union[_dead_letters_pb2.DeadLetterSummary.Group, _Mapping]]] = ..., total: _Optional[int] = ..., paused_partitions: _Optional[_Iterable[_Union[_dead_letters_pb2.DeadLetterSummary.PausedPartition, _Mapping]]] = ...) -> None: ...

class ListSourceRequest(_message.Message):
    __slots__ = ("filter", "cursor", "limit")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    filter: _dead_letters_pb2.ListDeadLettersRequest
    cursor: str
    limit: int
    def __init__(self, filter: _Optional[_Union[_dead_letters_pb2.ListDeadLettersRequest, _Mapping]] = ..., cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListSourceResponse(_message.Message):
    __slots__ = ("dead_letters", "cursors", "total_size")
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    dead_letters: _containers.RepeatedCompositeFieldContainer[_dead_letters_pb2.DeadLetter]
    cursors: _containers.RepeatedScalarFieldContainer[str]
    total_size: int
    def __init__(self, dead_letters: _Optional[_Iterable[_Union[_dead_letters_pb2.DeadLetter, _Mapping]]] = ..., cursors: _Optional[_Iterable[str]] = ..., total_size: _Optional[int] = ...) -> None: ...

class GetSourceRequest(_message.Message):
    __slots__ = ("dead_letter_id",)
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    def __init__(self, dead_letter_id: _Optional[str] = ...) -> None: ...

class GetSourceResponse(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: _dead_letters_pb2.DeadLetterContent
    def __init__(self, content: _Optional[_Union[_dead_letters_pb2.DeadLetterContent, _Mapping]] = ...) -> None: ...

class ChangeSourceRequest(_message.Message):
    __slots__ = ("dead_letter_ids", "origin", "validate_only")
    DEAD_LETTER_IDS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    dead_letter_ids: _containers.RepeatedScalarFieldContainer[str]
    origin: Origin
    validate_only: bool
    def __init__(self, dead_letter_ids: _Optional[_Iterable[str]] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ChangeSourceResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_dead_letters_pb2.ChangeDeadLettersResponse.Result]
    def __init__(self, results: _Optional[_Iterable[_Union[_dead_letters_pb2.ChangeDeadLettersResponse.Result, _Mapping]]] = ...) -> None: ...

class ResumePausedRequest(_message.Message):
    __slots__ = ("partitions", "origin")
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    partitions: _containers.RepeatedScalarFieldContainer[str]
    origin: Origin
    def __init__(self, partitions: _Optional[_Iterable[str]] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ...) -> None: ...

class ResumePausedResponse(_message.Message):
    __slots__ = ("partitions",)
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    partitions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, partitions: _Optional[_Iterable[str]] = ...) -> None: ...
