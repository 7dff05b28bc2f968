"""What `profile check` and `profile suggest` show: tables on a terminal, the same words in plain lines elsewhere."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .domain.hl7.evidence import Evidence, Guess
from .domain.hl7.explain import Explained, Resolved, Unread
from .domain.masking import mask, may_show

_STYLE = {"read": "green", "not_ours": "dim", "quarantined": "bold red", "refused": "red"}
_WORDS = {"read": "read", "not_ours": "none of ours", "quarantined": "QUARANTINED", "refused": "REFUSED"}
_EACH = 12
_LONGEST = 60


def masked(place: str, value: str, phi: bool, key: str = "") -> str:
    """A value for a person's eyes: what may name a patient has its letters and digits replaced."""
    segment, _, rest = place.partition("-")
    number = rest.partition(".")[0]
    shown = phi or (number.isdigit() and may_show(segment.partition("[")[0], int(number)))
    text = value if shown or (segment.startswith("OBX[") and number == "5" and _is_plain(value)) else mask(value)
    text = "".join(c if c.isprintable() else "·" for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _is_plain(value: str) -> bool:
    """A number, a time, or one short word in a coded answer: nothing that names a patient fits in it."""
    bare = value.replace("+", "").replace("-", "").replace(".", "")
    return bare.isdigit() and len(bare) <= 20


def _is_shown(place: str) -> bool:
    segment, _, number = place.partition("[")[0].partition("-")
    return "[" in place or (number.isdigit() and may_show(segment, int(number)))


def as_json(found: list[Explained], phi: bool) -> str:
    """All of it as one document."""
    return json.dumps(
        {"summary": summary(found), "messages": [_message(each, phi) for each in found]}, indent=1, ensure_ascii=False
    )


def _message(each: Explained, phi: bool) -> dict[str, Any]:
    return {
        "number": each.number,
        "type": each.type,
        "control_id": each.control_id,
        "outcome": each.outcome,
        "reason": each.reason,
        "sentence": each.sentence,
        "says": list(each.says),
        "fields": [
            {
                "field": f.name,
                "place": f.place,
                "value": masked(f.place, f.value, phi) if f.value else "",
                "becomes": f.becomes,
                "why": f.why,
            }
            for f in each.fields
        ],
        "unread": [{"place": u.place, "value": masked(u.place, u.value, phi)} for u in each.unread],
        "notes": list(each.notes),
        "flags": list(each.flags),
    }


def summary(found: list[Explained]) -> dict[str, Any]:
    """Counts over all messages: outcomes, reasons, which candidate filled which field, what was never read."""
    read = [each for each in found if each.fields]
    fields: dict[str, Counter[str]] = {}
    for each in read:
        for f in each.fields:
            fields.setdefault(f.name, Counter())[f.place or "(empty)"] += 1
    never: Counter[str] = Counter(place for each in found for place in {u.place for u in each.unread})
    return {
        "messages": len(found),
        "outcomes": dict(Counter(each.outcome for each in found)),
        "reasons": dict(Counter(each.reason for each in found if each.reason)),
        "fields": {name: dict(counts.most_common()) for name, counts in fields.items()},
        "unread": dict(never.most_common()),
        "flags": dict(Counter(flag for each in found for flag in each.flags).most_common()),
        "notes": dict(Counter(note for each in found for note in each.notes).most_common()),
    }


class Report:
    """Writes to a console: rich where it is a terminal, plain lines else."""

    def __init__(self, console: Console, phi: bool) -> None:
        self._console, self._phi = console, phi
        self._rich = console.is_terminal

    def check(self, found: list[Explained], profile: str, every: bool, samples: dict[str, str]) -> None:
        """Each message, if there are few or all are wanted; always those that would be quarantined; then the sums."""
        shown = found if every or len(found) <= _EACH else [e for e in found if e.outcome == "quarantined"][:_EACH]
        for each in shown:
            self._one(each)
        if len(shown) < len(found):
            self._say(f"{len(found) - len(shown)} more messages are not shown one by one: --each shows them.", "dim")
        self._sums(found, profile, samples)

    def _one(self, each: Explained) -> None:
        head = f"{each.number:>4}  {each.type or '(no type)'}  {each.control_id or '(no control id)'}  "
        self._say(Text.assemble((head, "bold"), (_WORDS[each.outcome], _STYLE[each.outcome])))
        if each.sentence:
            self._say(f"      {each.reason}: {each.sentence}", _STYLE[each.outcome])
        for said in each.says:
            self._say(f"      says: {said}")
        for flag in each.flags:
            self._say(f"      flag: {flag}", "yellow")
        if each.notes:
            self._say(f"      note: {', '.join(each.notes)}", "yellow")
        if each.fields:
            self._table(("field", "read from", "value", "becomes", "why"), [self._field(f) for f in each.fields])
        if each.unread:
            self._say(f"      never read: {self._unread(each.unread)}", "cyan")
        self._say("")

    def _field(self, f: Resolved) -> tuple[str, ...]:
        value = masked(f.place, f.value, self._phi) if f.value else '""' if f.cleared else ""
        return (f.name, f.place or "-", value, f.becomes, f.why)

    def _unread(self, fields: Iterable[Unread]) -> str:
        """Places by segment: `PID-2,4,6  NTE-3`."""
        grouped: dict[str, list[str]] = {}
        for u in fields:
            segment, _, number = u.place.rpartition("-")
            if number not in grouped.setdefault(segment, []):
                grouped[segment].append(number)
        return "  ".join(f"{segment}-{','.join(numbers)}" for segment, numbers in grouped.items())

    def _sums(self, found: list[Explained], profile: str, samples: dict[str, str]) -> None:
        told = summary(found)
        counted = ", ".join(f"{n} {_WORDS[name].lower()}" for name, n in sorted(told["outcomes"].items()))
        self._say(f"{len(found)} messages by profile {profile}: {counted}", "bold")
        for reason, count in told["reasons"].items():
            self._say(f"      {count} x {reason}", "red")
        rows = [
            (
                name,
                str(sum(n for p, n in places.items() if p != "(empty)")),
                ", ".join(f"{p} {n}" for p, n in places.items()),
            )
            for name, places in told["fields"].items()
        ]
        if rows:
            self._table(("field", "filled", "read from, in how many messages"), rows)
        if told["unread"]:
            self._say("never read, in how many messages, with one value:", "bold")
            rows = [
                (place, str(n), masked(place, samples.get(place, ""), self._phi))
                for place, n in sorted(told["unread"].items(), key=lambda each: (not _is_shown(each[0]), -each[1]))
            ]
            self._table(("place", "messages", "for example"), rows[:60])
            if len(rows) > 60:
                self._say(f"      and {len(rows) - 60} more: --json lists them", "dim")
        for flag, count in told["flags"].items():
            self._say(f"flag: {flag}, {count} x", "yellow")
        for note, count in told["notes"].items():
            self._say(f"note: {note}, {count} x", "yellow")

    def suggest(self, evidence: Evidence, profile: dict[str, Any]) -> None:
        """The profile as YAML, each guess with its count as a comment."""
        self._console.print(proposal(evidence, profile), markup=False, highlight=False, soft_wrap=True, end="")

    def _say(self, text: str | Text, style: str = "") -> None:
        self._console.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)

    def _table(self, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        if not self._rich:
            widths = [max(len(row[n]) for row in (heads, *rows)) for n in range(len(heads) - 1)]
            for row in (heads, *rows):
                cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
                self._say("      " + "  ".join([*cells, row[-1]]).rstrip())
            return
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
        table.add_column("    ")
        for head in heads:
            table.add_column(head, overflow="fold")
        for row in rows:
            style = "dim" if "-" in row[1:2] else None
            table.add_row("", *(Text(cell) for cell in row), style=style)
        self._console.print(table)


def proposal(evidence: Evidence, profile: dict[str, Any]) -> str:
    """A profile file: the guesses as YAML, the counts that speak for them beside, open questions at the end."""
    lines = [
        f"# Proposed from {len(evidence.messages)} messages, {len(evidence.schedules)} of them schedules.",
        "# Every guess has its count. Check it: orloop profile check THIS --messages FILE",
    ]
    counts = {(g.key, str(g.value)): g for g in evidence.guesses}
    for line in yaml.safe_dump(profile, sort_keys=False, allow_unicode=True, width=100).splitlines():
        lines.append(line)
    lines.append("")
    lines.append("# evidence")
    wide = max((len(f"{g.key}: {_shown(g)}") for g in counts.values()), default=0)
    for g in evidence.guesses:
        lines.append(f"#   {f'{g.key}: {_shown(g)}'.ljust(min(wide, 60))}  {g.count} of {g.of}  {g.note}".rstrip())
    return "\n".join(lines) + "\n"


def _shown(g: Guess) -> str:
    if g.value is None:
        return "?"
    return "nowhere" if g.value == [] else str(g.value)
