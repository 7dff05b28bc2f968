"""A raw message for a person's eyes: its shape as it is, and of its values only those that name no patient. Pure."""

import json
from typing import Any

_ALL = range(1, 1000)
# Fields that hold codes, times, places and staff; everything else is masked, Z segments and notes whole.
_SHOWN: dict[str, set[int]] = {
    "MSH": {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16},  # what follows may be the next segment, were a CR missing
    "MSA": {1, 2},
    "ERR": {1, 2, 3, 4},
    "EVN": {*_ALL} - {5},
    "PID": {1, 8},
    "PV1": {1, 2, 3, 4, 6, 10, 11, 18, 36, 37, 39, 42, 44, 45},
    "SCH": {3, 4, 5, 6, 7, 8, 9, 10, 11, 25},
    "TQ1": {*_ALL} - {10, 11},
    "RGS": {*_ALL},
    "AIS": {*_ALL},
    "AIG": {*_ALL},
    "AIL": {*_ALL},
    "AIP": {*_ALL},
    "ORC": {1, 5, 7, 9, 15},
    "OBR": {1, 4, 7, 8, 22, 25},
    "OBX": {1, 2, 3, 4, 6, 11, 14},
    "FHS": {1, 2, 3, 4, 5, 6, 7},
    "BHS": {1, 2, 3, 4, 5, 6, 7},
    "FTS": {1},
    "BTS": {1},
}
_OBX_VALUES = frozenset({"NM", "DTM", "TS", "DT", "TM", "SN", "CE", "CWE", "CF"})
_NARROW = ("", "ASCII", "UNICODE UTF-8", "UNICODE", "8859/")
_FHIR_KEYS = frozenset(
    {"resourceType", "status", "system", "code", "start", "end", "minutesDuration", "lastUpdated", "versionId", "use"}
    | {"priority", "type", "created", "intent", "operationalStatus"}
)


def show(body: bytes, phi: bool) -> str:
    """The message as lines of text; unless `phi`, what may name a patient has its letters and digits replaced."""
    text = body.decode("utf-8", "replace")
    if text.lstrip("﻿ \r\n\t")[:1] in ("{", "["):
        return _show_json(text, phi)
    lines = text.replace("\r\n", "\r").replace("\n", "\r").split("\r")
    if phi:
        return "\n".join(lines).rstrip("\n")
    separator, wide = "|", True
    shown = []
    for line in lines:
        bare = line.lstrip("﻿\x00")
        if bare[:3] in ("MSH", "FHS", "BHS") and len(bare) > 8:
            separator = bare[3]
            sets = bare.split(separator)[17:18]
            wide = not (not sets or sets[0].startswith(_NARROW[1:]) or not sets[0])
            shown.append(_mask_header(bare, separator))
        else:
            shown.append(_mask_segment(line, separator, wide))
    return "\n".join(shown).rstrip("\n")


def _mask_header(line: str, separator: str) -> str:
    fields = line.split(separator)
    allowed = _SHOWN.get(fields[0], set())
    return separator.join(f if n == 0 or n + 1 in allowed else _mask(f) for n, f in enumerate(fields))


def _mask_segment(line: str, separator: str, wide: bool) -> str:
    fields = line.split(separator)
    name = fields[0]
    allowed = set() if wide else set(_SHOWN.get(name, set()))
    if name == "OBX" and len(fields) > 2 and fields[2] in _OBX_VALUES and not wide:
        allowed.add(5)
    head = name if len(name) == 3 and name.isascii() and name.isalnum() else _mask(name)
    return separator.join([head, *(f if n in allowed else _mask(f) for n, f in enumerate(fields[1:], 1))])


def _mask(text: str) -> str:
    """Letters become x and digits 9: the shape stays, and delimiters do."""
    return "".join("9" if c.isdigit() else "x" if c.isalpha() or not c.isascii() else c for c in text)


def _show_json(text: str, phi: bool) -> str:
    try:
        told = json.loads(text)
    except ValueError:
        return text if phi else _mask(text)
    return json.dumps(told if phi else _mask_json(told, ""), indent=1, ensure_ascii=False)


def _mask_json(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _mask_json(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_mask_json(part, key) for part in value]
    if isinstance(value, str) and key not in _FHIR_KEYS:
        return _mask(value)
    return value


def may_show(segment: str, field: int) -> bool:
    """Whether a field of HL7 v2 holds a code, a time, a place or staff, and so names no patient."""
    return field in _SHOWN.get(segment, ())


def mask(text: str) -> str:
    """Letters become x and digits 9: the shape stays, and delimiters do."""
    return _mask(text)
