"""One canonical rendering of frozen values, and its digest: the same state, the same bytes."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from hashlib import sha256
from typing import Any


def canonical(value: Any) -> Any:
    """Render dataclasses, maps and times as plain JSON values with sorted keys."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__} | {f.name: canonical(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {_key(k): canonical(v) for k, v in sorted(value.items(), key=lambda kv: _key(kv[0]))}
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(canonical(v) for v in value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def _key(key: Any) -> str:
    return json.dumps(canonical(key)) if isinstance(key, tuple) else str(key)


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical rendering."""
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def derived_id(*parts: str) -> str:
    """A short stable id from what caused it (128 bits of SHA-256)."""
    return sha256("\x1f".join(parts).encode()).hexdigest()[:32]
