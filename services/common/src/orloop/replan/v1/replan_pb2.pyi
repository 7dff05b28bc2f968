from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SolveRequest(_message.Message):
    __slots__ = ("problem", "seed")
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    problem: bytes
    seed: int
    def __init__(self, problem: _Optional[bytes] = ..., seed: _Optional[int] = ...) -> None: ...

class SolveResponse(_message.Message):
    __slots__ = ("alternatives", "path")
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    alternatives: bytes
    path: str
    def __init__(self, alternatives: _Optional[bytes] = ..., path: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("proposal", "alternative")
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_FIELD_NUMBER: _ClassVar[int]
    proposal: str
    alternative: str
    def __init__(self, proposal: _Optional[str] = ..., alternative: _Optional[str] = ...) -> None: ...

class ChangeReason(_message.Message):
    __slots__ = ("case_uid", "sentence", "rules", "undone_costs", "undone_breaks")
    CASE_UID_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    UNDONE_COSTS_FIELD_NUMBER: _ClassVar[int]
    UNDONE_BREAKS_FIELD_NUMBER: _ClassVar[int]
    case_uid: str
    sentence: str
    rules: _containers.RepeatedScalarFieldContainer[str]
    undone_costs: int
    undone_breaks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, case_uid: _Optional[str] = ..., sentence: _Optional[str] = ..., rules: _Optional[_Iterable[str]] = ..., undone_costs: _Optional[int] = ..., undone_breaks: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("reasons",)
    REASONS_FIELD_NUMBER: _ClassVar[int]
    reasons: _containers.RepeatedCompositeFieldContainer[ChangeReason]
    def __init__(self, reasons: _Optional[_Iterable[_Union[ChangeReason, _Mapping]]] = ...) -> None: ...
