"""JSON logs on stderr, one object a line, with the service's name and without anybody's data.

No field value of a message belongs into a log. A guard stands behind that rule: bytes and message
objects become their type's name, HL7 text is cut out, long strings are cut off.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import structlog

from .clock import Clock, SystemClock
from .errors import OrloopError

LONGEST = 600
_FORBIDDEN = frozenset({"body", "birth_date", "hl7", "message", "mrn", "name", "patient", "payload", "raw", "value"})
_HL7 = re.compile(r"\b(MSH|PID|PV1|SCH|NTE|NK1|GT1|IN1|EVN|OBX|AIP|AIL|AIS|MSA|ERR)[|^].*", re.DOTALL)


def configure_logging(
    service: str, instance: str, level: str = "info", *, clock: Clock | None = None, sensitive: bool = False
) -> None:
    """Route structlog and the standard library's logging to JSON on stderr.

    `sensitive` (ingest, writeback: the doors that see patient data) keeps the text of unexpected
    exceptions out of the log and leaves only where they were raised.
    """
    time = clock or SystemClock()

    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"at": time.wall().isoformat(timespec="milliseconds").replace("+00:00", "Z"), **event}

    def name(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**event, "service": service, "instance": instance}

    def explain(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        info = event.pop("exc_info", None)
        error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
        return {**event, **describe(error, sensitive)} if isinstance(error, BaseException) else event

    shared = [structlog.stdlib.add_log_level, stamp, name, explain, guard]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *shared,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.error", "uvicorn.access", "asyncio", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(room: str) -> structlog.stdlib.BoundLogger:
    """A logger; say what happened as the event (`plan_published`), the rest as keywords."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(room)
    return logger


def describe(error: BaseException, sensitive: bool) -> dict[str, Any]:
    """An exception for the log: its type, where it was raised, and its text if that is safe."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    told: dict[str, Any] = {
        "error": type(error).__name__,
        "where": [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, OrloopError) or not sensitive:
        told["reason"] = str(error)
    return told


def guard(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Nothing of a message leaves in a log line."""
    return {key: "[withheld]" if key in _FORBIDDEN else _safe(value) for key, value in event.items()}


def _safe(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        text = _HL7.sub("[hl7 withheld]", value)
        return text if len(text) <= LONGEST else text[:LONGEST] + "…"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if is_dataclass(value) or hasattr(value, "__struct_fields__"):
        return f"[{type(value).__name__}]"
    if depth < 3 and isinstance(value, Mapping):
        return {str(key): "[withheld]" if key in _FORBIDDEN else _safe(v, depth + 1) for key, v in value.items()}
    if depth < 3 and isinstance(value, list | tuple | set | frozenset):
        return [_safe(item, depth + 1) for item in list(value)[:50]]
    return _safe(str(value), 3)
