from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Decision(_message.Message):
    __slots__ = ("event_id", "verdict", "decided_by", "already_decided")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    ALREADY_DECIDED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    verdict: str
    decided_by: str
    already_decided: bool
    def __init__(self, event_id: _Optional[str] = ..., verdict: _Optional[str] = ..., decided_by: _Optional[str] = ..., already_decided: _Optional[bool] = ...) -> None: ...

class ApproveRequest(_message.Message):
    __slots__ = ("suite", "proposal", "alternative", "idempotency_key")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    suite: str
    proposal: str
    alternative: str
    idempotency_key: str
    def __init__(self, suite: _Optional[str] = ..., proposal: _Optional[str] = ..., alternative: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class ApproveResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class RejectRequest(_message.Message):
    __slots__ = ("suite", "proposal", "reason_code", "reason", "idempotency_key")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    suite: str
    proposal: str
    reason_code: str
    reason: str
    idempotency_key: str
    def __init__(self, suite: _Optional[str] = ..., proposal: _Optional[str] = ..., reason_code: _Optional[str] = ..., reason: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class RejectResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class OverrideRequest(_message.Message):
    __slots__ = ("suite", "proposal", "alternative", "keep", "reason_code", "reason", "idempotency_key")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVE_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    suite: str
    proposal: str
    alternative: str
    keep: _containers.RepeatedScalarFieldContainer[str]
    reason_code: str
    reason: str
    idempotency_key: str
    def __init__(self, suite: _Optional[str] = ..., proposal: _Optional[str] = ..., alternative: _Optional[str] = ..., keep: _Optional[_Iterable[str]] = ..., reason_code: _Optional[str] = ..., reason: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class OverrideResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class SetModeRequest(_message.Message):
    __slots__ = ("suite", "mode", "reason", "idempotency_key")
    SUITE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    suite: str
    mode: str
    reason: str
    idempotency_key: str
    def __init__(self, suite: _Optional[str] = ..., mode: _Optional[str] = ..., reason: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class SetModeResponse(_message.Message):
    __slots__ = ("event_id", "mode")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    mode: str
    def __init__(self, event_id: _Optional[str] = ..., mode: _Optional[str] = ...) -> None: ...
