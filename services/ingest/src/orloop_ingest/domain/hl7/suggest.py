"""A profile proposed from messages alone: every guess with the count of messages that speak for it. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .evidence import Evidence, is_time
from .header import Header, read_header
from .suggest_fields import guess_fields, guess_mode, guess_version
from .suggest_words import guess_header, guess_observations, guess_tables
from .times import parse_time
from .tokens import Message

Z_PARTS = {"ZCH": "SCH", "ZSC": "SCH", "ZIS": "AIS", "ZIG": "AIG", "ZIP": "AIP", "ZIL": "AIL"}
_TRIGGER = re.compile(r"S(1[2-9]|2[0-6])")


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
    guess_mode(e, profile)
    fields = guess_fields(e)
    if fields:
        profile["fields"] = fields
    guess_version(e, profile, fields)
    guess_observations(e, profile, fields)
    guess_tables(e, profile, fields)
    guess_header(e, profile)
    return e, profile


def _name(read: list[tuple[Header, Message]]) -> str:
    common = Counter((h.application or "source", h.version) for h, _ in read).most_common(1)
    application, version = common[0][0] if common else ("source", "")
    return re.sub(r"[^a-z0-9.]+", "-", f"{application}-{version}".lower()).strip("-")


def newest(e: Evidence) -> datetime | None:
    """The latest MSH-7, so that a check reads the messages as of then."""
    found = [parse_time(h.sent, UTC, "") for h, _ in e.messages if h.sent and is_time(h.sent)]
    return max(found, default=None)
