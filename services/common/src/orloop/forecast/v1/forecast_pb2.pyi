import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CaseFeatures(_message.Message):
    __slots__ = ("case_uid", "stage", "numbers", "words")
    class NumbersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class WordsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CASE_UID_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    case_uid: str
    stage: str
    numbers: _containers.ScalarMap[str, float]
    words: _containers.ScalarMap[str, str]
    def __init__(self, case_uid: _Optional[str] = ..., stage: _Optional[str] = ..., numbers: _Optional[_Mapping[str, float]] = ..., words: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("cases",)
    CASES_FIELD_NUMBER: _ClassVar[int]
    cases: _containers.RepeatedCompositeFieldContainer[CaseFeatures]
    def __init__(self, cases: _Optional[_Iterable[_Union[CaseFeatures, _Mapping]]] = ...) -> None: ...

class Quantiles(_message.Message):
    __slots__ = ("p50", "p80", "p95")
    P50_FIELD_NUMBER: _ClassVar[int]
    P80_FIELD_NUMBER: _ClassVar[int]
    P95_FIELD_NUMBER: _ClassVar[int]
    p50: _duration_pb2.Duration
    p80: _duration_pb2.Duration
    p95: _duration_pb2.Duration
    def __init__(self, p50: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p80: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p95: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CaseForecast(_message.Message):
    __slots__ = ("case_uid", "duration", "remaining", "model", "low_confidence")
    CASE_UID_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LOW_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    case_uid: str
    duration: Quantiles
    remaining: Quantiles
    model: str
    low_confidence: bool
    def __init__(self, case_uid: _Optional[str] = ..., duration: _Optional[_Union[Quantiles, _Mapping]] = ..., remaining: _Optional[_Union[Quantiles, _Mapping]] = ..., model: _Optional[str] = ..., low_confidence: _Optional[bool] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("forecasts",)
    FORECASTS_FIELD_NUMBER: _ClassVar[int]
    forecasts: _containers.RepeatedCompositeFieldContainer[CaseForecast]
    def __init__(self, forecasts: _Optional[_Iterable[_Union[CaseForecast, _Mapping]]] = ...) -> None: ...
