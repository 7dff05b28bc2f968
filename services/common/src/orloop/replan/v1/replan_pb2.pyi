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
    __slots__ = ("case_uid", "sentence", "rules", "undone_costs", "undone_breaks", "kind", "minutes", "together", "together_costs")
    CASE_UID_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    UNDONE_COSTS_FIELD_NUMBER: _ClassVar[int]
    UNDONE_BREAKS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    TOGETHER_FIELD_NUMBER: _ClassVar[int]
    TOGETHER_COSTS_FIELD_NUMBER: _ClassVar[int]
    case_uid: str
    sentence: str
    rules: _containers.RepeatedScalarFieldContainer[str]
    undone_costs: int
    undone_breaks: _containers.RepeatedScalarFieldContainer[str]
    kind: str
    minutes: int
    together: _containers.RepeatedScalarFieldContainer[str]
    together_costs: int
    def __init__(self, case_uid: _Optional[str] = ..., sentence: _Optional[str] = ..., rules: _Optional[_Iterable[str]] = ..., undone_costs: _Optional[int] = ..., undone_breaks: _Optional[_Iterable[str]] = ..., kind: _Optional[str] = ..., minutes: _Optional[int] = ..., together: _Optional[_Iterable[str]] = ..., together_costs: _Optional[int] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("reasons", "trade", "cost", "bound")
    REASONS_FIELD_NUMBER: _ClassVar[int]
    TRADE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    reasons: _containers.RepeatedCompositeFieldContainer[ChangeReason]
    trade: str
    cost: int
    bound: int
    def __init__(self, reasons: _Optional[_Iterable[_Union[ChangeReason, _Mapping]]] = ..., trade: _Optional[str] = ..., cost: _Optional[int] = ..., bound: _Optional[int] = ...) -> None: ...

class WhyNotRequest(_message.Message):
    __slots__ = ("proposal", "alternative", "case_uid", "room", "leave", "before", "start")
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_FIELD_NUMBER: _ClassVar[int]
    CASE_UID_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    proposal: str
    alternative: str
    case_uid: str
    room: str
    leave: bool
    before: str
    start: str
    def __init__(self, proposal: _Optional[str] = ..., alternative: _Optional[str] = ..., case_uid: _Optional[str] = ..., room: _Optional[str] = ..., leave: _Optional[bool] = ..., before: _Optional[str] = ..., start: _Optional[str] = ...) -> None: ...

class WhyNotResponse(_message.Message):
    __slots__ = ("question", "answer", "rules", "at_least", "at_most", "postponed", "plan", "better")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    POSTPONED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    BETTER_FIELD_NUMBER: _ClassVar[int]
    question: str
    answer: str
    rules: _containers.RepeatedScalarFieldContainer[str]
    at_least: int
    at_most: int
    postponed: int
    plan: bytes
    better: bool
    def __init__(self, question: _Optional[str] = ..., answer: _Optional[str] = ..., rules: _Optional[_Iterable[str]] = ..., at_least: _Optional[int] = ..., at_most: _Optional[int] = ..., postponed: _Optional[int] = ..., plan: _Optional[bytes] = ..., better: _Optional[bool] = ...) -> None: ...

class BackupsRequest(_message.Message):
    __slots__ = ("suite",)
    SUITE_FIELD_NUMBER: _ClassVar[int]
    suite: str
    def __init__(self, suite: _Optional[str] = ...) -> None: ...

class Backup(_message.Message):
    __slots__ = ("suite", "key", "contingency", "summary", "changes", "cost", "as_of", "alternative")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONTINGENCY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_FIELD_NUMBER: _ClassVar[int]
    suite: str
    key: str
    contingency: str
    summary: str
    changes: int
    cost: int
    as_of: int
    alternative: bytes
    def __init__(self, suite: _Optional[str] = ..., key: _Optional[str] = ..., contingency: _Optional[str] = ..., summary: _Optional[str] = ..., changes: _Optional[int] = ..., cost: _Optional[int] = ..., as_of: _Optional[int] = ..., alternative: _Optional[bytes] = ...) -> None: ...

class BackupsResponse(_message.Message):
    __slots__ = ("backups",)
    BACKUPS_FIELD_NUMBER: _ClassVar[int]
    backups: _containers.RepeatedCompositeFieldContainer[Backup]
    def __init__(self, backups: _Optional[_Iterable[_Union[Backup, _Mapping]]] = ...) -> None: ...
