"""Which words a sender uses: observation codes that sound like milestones, rooms, services, roles, header words."""

import re
from collections import Counter, defaultdict
from typing import Any

from .evidence import Evidence, is_time, own, values

_ROOM = re.compile(r"(?i)\b(or|ot|op|th|theatre|theater|room|rm|saal)[\s\-_]*0*(\d{1,3})\b|^[a-z\-]*?0*(\d{1,3})$")
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


def guess_observations(e: Evidence, profile: dict[str, Any], fields: dict[str, Any]) -> None:
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
        times = sum(1 for value in told if is_time(value))
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


def guess_tables(e: Evidence, profile: dict[str, Any], fields: dict[str, Any]) -> None:
    tables: dict[str, Any] = {}
    room = (fields.get("room") or [None])[0]
    if room:
        words = Counter(v for each in own(e, room) for v in each)
        tables["rooms"] = {word: _room_number(word) for word in sorted(words)[:60] if "&" not in word}
        for word, room_id in tables["rooms"].items():
            e.add(f"tables.rooms.{word}", room_id, words[word], len(e.schedules), "which of our rooms?")
    for name, path in (("services", "PV1-10"), ("roles", "AIP-4"), ("urgencies", "TQ1-9")):
        if not path:
            continue
        words = Counter(v for each in (own(e, path) if name == "urgencies" else values(e, path)) for v in each)
        for word, count in words.most_common(30):
            e.add(f"tables.{name}.{word}", None, count, len(e.schedules), "map it to one of ours")
    if tables:
        profile["tables"] = tables


def _room_number(word: str) -> str:
    found = _ROOM.search(word)
    return (found[2] or found[3]).lstrip("0") or word if found else word


def guess_header(e: Evidence, profile: dict[str, Any]) -> None:
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
