"""Which fields a sender fills with what looks right, how it counts versions, and whether it sends actions."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC
from typing import Any

from . import words as w
from .evidence import Evidence, is_length, is_time, values
from .times import parse_time

_STRICT_ROOM = re.compile(r"(?i)\b(or|ot|op|th|theatre|theater|room|rm|saal)[\s\-_]*\d{1,3}\b")
_ROOM_KIND = re.compile(r"(?i)room|rm|or|ot|theatre|location|loc|saal")
_GUESSES = {
    "case_id": ("SCH-2", "SCH-1", "SCH-26", "SCH-27", "PV1-50", "PV1-19", "OBR-3", "ORC-3"),
    "start": ("TQ1-7", "SCH-11.4", "AIL-6", "AIS-4", "AIG-8", "AIP-6"),
    "end": ("TQ1-8", "SCH-11.5"),
    "length": ("SCH-9", "AIL-9", "AIS-7", "AIG-11", "SCH-11.3"),
    "room": ("AIL-3", "AIG[ROOM]-3", "AIG-3", "PV1-3.2", "PV1-3"),
    "urgency": ("TQ1-9", "SCH-7", "PV2-25"),
    "service": ("PV1-10",),
    "visit": ("PV1-19", "PID-18"),
    "status": ("SCH-25", "AIS-10", "AIL-12"),
}


def guess_fields(e: Evidence) -> dict[str, Any]:
    """Places that are filled and look right; of times and lengths only those that do not contradict the best one."""
    found: dict[str, Any] = {}
    checks: dict[str, Callable[[str], bool]] = {"start": is_time, "end": is_time, "length": is_length}
    checks["urgency"] = w.URGENCIES.__contains__
    total = len(e.schedules)
    for name, paths in _GUESSES.items():
        good = checks.get(name, bool)
        ranked: list[str] = []
        tried = _room_places(e) if name == "room" else list(paths)
        if name == "length":
            tried.sort(key=lambda path: -_lengths_agree(e, path))
        for path in tried:
            filled = values(e, path)
            count = sum(1 for each in filled if each and good(each[0]))
            if not count:
                continue
            text = e.at(path).text
            against = _against(filled, values(e, ranked[0])) if ranked and name in ("start", "end", "length") else 0
            if against * 2 > count or (name == "case_id" and ranked and path.startswith("PV1")):
                e.add(f"not fields.{name}", text, count, total, f"differs from {ranked[0]} in {against}")
                continue
            e.add(f"fields.{name}", text, count, total, _note(e, name, path))
            ranked.append(text)
        if ranked or name == "urgency":  # unknown words would be quarantined: better nowhere until they are mapped
            found[name] = ranked
        if ranked:
            continue
        e.add(f"fields.{name}", [], 0, total, f"nothing usable at {', '.join(paths)}")
    for part, usual in (("procedure", "AIS-3"), ("person", "AIP-3"), ("person_role", "AIP-4"), ("equipment", "AIG-3")):
        place = e.at(usual)
        if place.text != usual:
            found[part] = place.text
            filled_in = sum(1 for v in values(e, usual) if v)
            e.add(f"fields.{part}", place.text, filled_in, total, "same field of the Z segment")
    return found


def _against(one: list[list[str]], other: list[list[str]]) -> int:
    return sum(1 for a, b in zip(one, other, strict=True) if a and b and a[0][:12] != b[0][:12])


def _room_places(e: Evidence) -> list[str]:
    """AIL-3 as it is; of AIG the type that is called a room; other places if their words look like rooms."""
    found = ["AIL-3"]
    kinds = Counter(word for each in values(e, "AIG-4") for word in each)
    found += [f"AIG[{word}]-3" for word in kinds if _ROOM_KIND.fullmatch(word)]
    for path in ("AIG-3", "PV1-3.2", "PV1-3"):
        words = [word for each in values(e, path) for word in each]
        if words and sum(1 for word in words if _STRICT_ROOM.search(word)) * 2 >= len(words):
            found.append(path)
    return found


def _note(e: Evidence, name: str, path: str) -> str:
    filled = [each[0] for each in values(e, path) if each]
    distinct = len(set(filled))
    if name == "case_id":
        again = sum(count - 1 for count in Counter(filled).values())
        return f"{distinct} different, {again} told again by later messages"
    if name in ("room", "service", "urgency", "status"):
        return f"{distinct} different words"
    if name == "length":
        agree = _lengths_agree(e, path)
        return f"{agree} agree with end minus start" if agree else ""
    return ""


def _lengths_agree(e: Evidence, path: str) -> int:
    count = 0
    starts, ends = (list(values(e, p)) for p in ("TQ1-7", "TQ1-8"))
    if not any(starts):
        starts, ends = (list(values(e, p)) for p in ("SCH-11.4", "SCH-11.5"))
    for start, end, length in zip(starts, ends, values(e, path), strict=True):
        if start and end and length and is_time(start[0]) and is_time(end[0]) and is_length(length[0]):
            told = parse_time(end[0], UTC, "") - parse_time(start[0], UTC, "")
            number = float(re.match(r"\d+(\.\d+)?", length[0]).group())  # type: ignore[union-attr]
            count += any(abs(told.total_seconds() - number * unit) <= 60 for unit in (1, 60, 3600))
    return count


def guess_mode(e: Evidence, profile: dict[str, Any]) -> None:
    """Action codes D or U, or fewer resources in a change than in its booking, speak for action codes."""
    codes: Counter[str] = Counter()
    later = [(h, m) for h, m in e.schedules if h.trigger in ("S13", "S14", "S18", "S19", "S20", "S21", "S22")]
    for path in ("RGS-2", "AIS-2", "AIL-2", "AIP-2", "AIG-2"):
        for found in values(e, path, later):
            codes.update(v for v in found if v in ("A", "U", "D", "X"))
    changing = codes["U"] + codes["D"] + codes["X"]
    if changing:
        profile["mode"] = "action_code"
    shown = ", ".join(f"{code} {n}" for code, n in sorted(codes.items())) or "none"
    e.add("mode", profile["mode"], changing, sum(codes.values()), f"action codes in changes (S13, S14, ..): {shown}")


def guess_version(e: Evidence, profile: dict[str, Any], fields: dict[str, Any]) -> None:
    total = len(e.schedules)
    filled = [v[0] for v in values(e, "SCH-5") if v]
    v_numbers = sum(1 for v in filled if re.fullmatch(r"V\d{1,7}", v))
    numbers = sum(1 for v in filled if re.fullmatch(r"\d{1,7}", v))
    if filled and v_numbers == len(filled):
        profile["version_form"] = "V<n>"
        e.add("version_form", "V<n>", v_numbers, total, "SCH-5")
    elif filled and numbers == len(filled):
        profile["version_form"] = "number"
        e.add("version_form", "number", numbers, total, "SCH-5")
    else:
        fields["version"] = []
        e.add("fields.version", [], len(filled), total, "SCH-5 holds no version: MSH-7 stands in")
