"""A profile proposed from messages alone: every guess with the count of messages that speak for it. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from orloop_ingest.domain.quarantine import Quarantined

from . import words as w
from .header import Header, read_header
from .places import Place, parse_place
from .times import parse_length, parse_time
from .tokens import Message, Segment

Z_PARTS = {"ZCH": "SCH", "ZSC": "SCH", "ZIS": "AIS", "ZIG": "AIG", "ZIP": "AIP", "ZIL": "AIL"}
_TRIGGER = re.compile(r"S(1[2-9]|2[0-6])")
_ROOM = re.compile(r"(?i)\b(or|ot|op|th|theatre|theater|room|rm|saal)[\s\-_]*0*(\d{1,3})\b|^[a-z\-]*?0*(\d{1,3})$")
_STRICT_ROOM = re.compile(r"(?i)\b(or|ot|op|th|theatre|theater|room|rm|saal)[\s\-_]*\d{1,3}\b")
_ROOM_KIND = re.compile(r"(?i)room|rm|or|ot|theatre|location|loc|saal")
_MILESTONES: tuple[tuple[str, str], ...] = (
    (r"(?i)wheels?[ _-]*in|in[ _-]*(room|or|theatre)|pat.*\bin\b.*\bor\b|inroom|inthe", "patient_in_room"),
    (r"(?i)wheels?[ _-]*out|out[ _-]*(of[ _-]*)?(room|or|theatre)|outroom|outthe", "patient_out_of_room"),
    (r"(?i)incision|proc.*(start|beg)|operation began|\bkts\b|cut", "procedure_start"),
    (r"(?i)clos(ing|ure.*start)", "closing"),
    (r"(?i)proc.*end|clos(e|ure)|operation end|suture", "procedure_end"),
    (r"(?i)an(a)?es.*(start|beg|induc)", "anaesthesia_start"),
    (r"(?i)an(a)?es.*(ready)", "anaesthesia_ready"),
    (r"(?i)an(a)?es.*(end|stop|fin)", "anaesthesia_end"),
    (r"(?i)(pacu|recovery|rr)[ _-]*in|enter.*(pacu|recovery)", "pacu_in"),
    (r"(?i)(pacu|recovery|rr)[ _-]*(out|disch)|leave.*(pacu|recovery)", "pacu_out"),
    (r"(?i)sent[ _-]*for|in[ _-]*pre-?op|holding", "patient_in_preop"),
    (r"(?i)arriv|check[ _-]*in", "patient_in_facility"),
)
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


@dataclass(frozen=True, slots=True)
class Guess:
    """One line of the proposal: `count` of `of` messages speak for it; `note` says how."""

    key: str
    value: Any
    count: int
    of: int
    note: str = ""


@dataclass
class Evidence:
    """What all messages together show."""

    messages: list[tuple[Header, Message]]
    schedules: list[tuple[Header, Message]]
    parts: dict[str, str] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)

    def add(self, key: str, value: Any, count: int, of: int, note: str = "") -> None:
        self.guesses.append(Guess(key, value, count, of, note))

    def at(self, path: str) -> Place:
        """A path in the sender's own segments."""
        segment, rest = path[:3], path[3:]
        return parse_place(self.parts.get(segment, segment) + rest)

    def fits(self, message: Message, segment: Segment, place: Place) -> bool:
        """Whether a segment is of the kind that a place asks for."""
        return not place.word or message.text(segment, place.key).upper() == place.word


def suggest(bodies: Iterable[bytes]) -> tuple[Evidence, dict[str, Any]]:
    """The evidence, and the profile that it speaks for."""
    read = [(h, m) for h, m in map(read_header, bodies) if m is not None and h.kind]
    schedules = [(h, m) for h, m in read if _TRIGGER.fullmatch(h.trigger)]
    e = Evidence(read, schedules)
    profile: dict[str, Any] = {"profile": _name(read), "mode": "snapshot"}
    kinds = Counter(h.kind for h, _ in schedules)
    strange = {kind: "SIU" for kind in kinds if kind != "SIU"}
    if strange:
        profile["message_types"] = strange
        e.add("message_types", strange, sum(kinds[k] for k in strange), len(schedules), "other types with S triggers")
        names = Counter(name.decode("ascii", "replace") for _, m in schedules for name in m.index)
        e.parts = {part: z for z, part in Z_PARTS.items() if z in names and part not in names}
        if e.parts:
            profile["segments"] = dict(e.parts)
            e.add("segments", profile["segments"], min(names[z] for z in e.parts.values()), len(schedules), "by name")
    _mode(e, profile)
    fields = _fields(e)
    if fields:
        profile["fields"] = fields
    _version(e, profile, fields)
    _observations(e, profile, fields)
    _tables(e, profile, fields)
    _header(e, profile)
    return e, profile


def _name(read: list[tuple[Header, Message]]) -> str:
    common = Counter((h.application or "source", h.version) for h, _ in read).most_common(1)
    application, version = common[0][0] if common else ("source", "")
    return re.sub(r"[^a-z0-9.]+", "-", f"{application}-{version}".lower()).strip("-")


def values(e: Evidence, path: str, of: list[tuple[Header, Message]] | None = None) -> list[list[str]]:
    """What stands at a place, message by message: every segment of the name, filled ones only."""
    place = e.at(path)
    found = []
    for _, message in e.schedules if of is None else of:
        segments = [s for s in message.all(place.segment) if e.fits(message, s, place)]
        found.append([v for s in segments if (v := _text(message, s, place))])
    return found


def _text(message: Message, segment: Segment, place: Place) -> str:
    try:
        return message.text(segment, place.field, place.component, place.sub).strip()
    except Quarantined:
        return ""


def _is_time(value: str) -> bool:
    try:
        parse_time(value, UTC, "")
    except Quarantined:
        return False
    return True


def _is_length(value: str) -> bool:
    number = re.match(r"\d+(\.\d+)?", value)
    try:
        return number is not None and parse_length(number.group(), "", "") > timedelta(0)
    except Quarantined:
        return False


def _fields(e: Evidence) -> dict[str, Any]:
    """Places that are filled and look right; of times and lengths only those that do not contradict the best one."""
    found: dict[str, Any] = {}
    checks: dict[str, Callable[[str], bool]] = {"start": _is_time, "end": _is_time, "length": _is_length}
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
        if start and end and length and _is_time(start[0]) and _is_time(end[0]) and _is_length(length[0]):
            told = parse_time(end[0], UTC, "") - parse_time(start[0], UTC, "")
            number = float(re.match(r"\d+(\.\d+)?", length[0]).group())  # type: ignore[union-attr]
            count += any(abs(told.total_seconds() - number * unit) <= 60 for unit in (1, 60, 3600))
    return count


def _mode(e: Evidence, profile: dict[str, Any]) -> None:
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


def _version(e: Evidence, profile: dict[str, Any], fields: dict[str, Any]) -> None:
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


def _observations(e: Evidence, profile: dict[str, Any], fields: dict[str, Any]) -> None:
    codes: dict[str, list[str]] = defaultdict(list)
    for header, message in e.messages:
        if header.kind not in ("SIU", "ORU", *profile.get("message_types", ())):
            continue
        for obx in message.all(b"OBX"):
            code = (message.text(obx, 3) or message.text(obx, 3, 2)).strip()
            label = f"{code} {message.text(obx, 3, 2)}"
            if code:
                codes[code].append(message.text(obx, 5) if len(label) < 200 else "")
    total = sum(len(v) for v in codes.values())
    milestones = {}
    for code, told in sorted(codes.items()):
        times = sum(1 for value in told if _is_time(value))
        name = next((name for pattern, name in _MILESTONES if re.search(pattern, code)), None)
        if name is not None and times and times >= len(told) / 2:
            milestones[code] = name
            e.add(f"milestones.{code}", name, times, len(told), "OBX-5 holds a time, and the code sounds like it")
        elif times == len(told) and len(told) > 1:
            e.add(f"milestones.{code}", None, times, len(told), "always a time: a milestone? which?")
        if re.search(r"(?i)\basa\b", code):
            good = sum(1 for v in told if re.fullmatch(r"(?i)(asa\s*)?([1-6]|I{1,3}|IV|VI?)\s*E?", v))
            fields["asa"] = f"OBX[{code}]-5"
            e.add("fields.asa", fields["asa"], good, len(told), "1 to 6 or I to VI")
        if re.search(r"(?i)an(a)?esth?.*(type|tech|method)|^an(a)?esthesia$", code):
            fields["anaesthesia"] = f"OBX[{code}]-5"
            e.add("fields.anaesthesia", fields["anaesthesia"], len(told), len(told), "")
    notes = sum(1 for _, m in e.schedules for n in m.all(b"NTE") if re.match(r"(?i)asa\b", m.text(n, 3)))
    if notes and "asa" not in fields:
        fields["asa"] = "NTE[ASA]-3"
        e.add("fields.asa", "NTE[ASA]-3", notes, len(e.schedules), "comments that begin with ASA")
    if milestones:
        profile["milestones"] = milestones
    e.add("observations", len(codes), total, total, "different OBX codes in SIU and ORU")


def _tables(e: Evidence, profile: dict[str, Any], fields: dict[str, Any]) -> None:
    tables: dict[str, Any] = {}
    room = (fields.get("room") or [None])[0]
    if room:
        words = Counter(v for each in _own(e, room) for v in each)
        tables["rooms"] = {word: _room_number(word) for word in sorted(words)[:60] if "&" not in word}
        for word, room_id in tables["rooms"].items():
            e.add(f"tables.rooms.{word}", room_id, words[word], len(e.schedules), "which of our rooms?")
    for name, path in (("services", "PV1-10"), ("roles", "AIP-4"), ("urgencies", "TQ1-9")):
        if not path:
            continue
        words = Counter(v for each in (_own(e, path) if name == "urgencies" else values(e, path)) for v in each)
        for word, count in words.most_common(30):
            e.add(f"tables.{name}.{word}", None, count, len(e.schedules), "map it to one of ours")
    if tables:
        profile["tables"] = tables


def _own(e: Evidence, path: str) -> list[list[str]]:
    place = parse_place(path)
    kept = [(m, [s for s in m.all(place.segment) if e.fits(m, s, place)]) for _, m in e.schedules]
    return [[v for s in segments if (v := _text(m, s, place))] for m, segments in kept]


def _room_number(word: str) -> str:
    found = _ROOM.search(word)
    return (found[2] or found[3]).lstrip("0") or word if found else word


def _header(e: Evidence, profile: dict[str, Any]) -> None:
    total = len(e.messages)
    offsets = sum(1 for h, _ in e.messages if re.search(r"[+-]\d{4}$", h.sent))
    e.add("timezone", None, offsets, total, "messages with an offset in MSH-7; without one, name the sender's zone")
    for key, name in (("receiving_application", "MSH-5"), ("receiving_facility", "MSH-6"), ("processing", "MSH-11")):
        words = Counter(getattr(h, key) for h, _ in e.messages if getattr(h, key))
        if words:
            e.add(f"expect.{key}", ", ".join(words), sum(words.values()), total, f"{name} as it was sent")
    processing = Counter(h.processing for h, _ in e.messages)
    if processing and set(processing) - {"P", ""}:
        profile["expect"] = {"processing": sorted(word for word in processing if word)}
    kinds = Counter(m.text(s, 3, 5) for _, m in e.messages for s in m.all(b"PID") if s.raw(3))
    for kind, count in kinds.most_common(5):
        if kind:
            e.add("patient_number.types", kind, count, total, "PID-3.5 of the first number")


def newest(e: Evidence) -> datetime | None:
    """The latest MSH-7, so that a check reads the messages as of then."""
    found = [parse_time(h.sent, UTC, "") for h, _ in e.messages if h.sent and _is_time(h.sent)]
    return max(found, default=None)
