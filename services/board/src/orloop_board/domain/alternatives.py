"""Alternatives as people compare them: figures, changes with reasons, who pays, and the proof."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.derived import Alternative, Proposal, SolverRecord
from orloop_common.domain.plan import Change, Place
from orloop_common.domain.suite_day import SuiteDay

from .bars import procedure, surgeon
from .values import AlternativeView, ChangeView, Figure, Payer
from .wording import clock, count, sentence, whole_minutes


def alternative_views(
    proposal: Proposal, day: SuiteDay, zone: ZoneInfo, closed: Mapping[str, tuple[str, ...]]
) -> tuple[AlternativeView, ...]:
    """The proposal's alternatives, the recommended one first; `closed` are those the gate has closed, and why."""
    most = max((_most(a) for a in proposal.alternatives), default=timedelta(0))
    postponing = any(a.price.postponed for a in proposal.alternatives)
    gaps = all(a.break_in_gap is not None for a in proposal.alternatives)
    return tuple(
        AlternativeView(
            number=number,
            id=alternative.id,
            title=sentence(alternative.title),
            note="closed" if alternative.id in closed else "recommended" if number == 1 else "",
            summary=sentence(alternative.summary),
            figures=_figures(alternative, postponing, gaps),
            changes=tuple(change_view(day, change, zone) for change in alternative.changes),
            payers=_payers(alternative, most),
            proof=proof(alternative, proposal.solver, proposal.forecasts_stale, recommended=number == 1),
            closed=tuple(sentence(why) + "." for why in closed.get(alternative.id, ())),
        )
        for number, alternative in enumerate(proposal.alternatives, start=1)
    )


def _most(alternative: Alternative) -> timedelta:
    price = alternative.price
    return max(price.patients_waiting, price.surgeons_idle, price.staff_overtime, timedelta(minutes=1))


def signed_minutes(length: timedelta) -> str:
    """Minutes with a true minus sign where they are saved."""
    number = whole_minutes(length)
    return f"−{-number} min" if number < 0 else f"{number} min"


def _figures(alternative: Alternative, postponing: bool, gaps: bool) -> tuple[Figure, ...]:
    price = alternative.price
    figures = [
        Figure(name="changes", value=str(len(alternative.changes))),
        Figure(name="waiting", value=signed_minutes(price.patients_waiting)),
        Figure(name="overtime", value=signed_minutes(price.staff_overtime)),
    ]
    if postponing:
        figures.append(Figure(name="postponed", value=str(price.postponed)))
    if gaps and alternative.break_in_gap is not None:
        figures.append(Figure(name="break-in gap", value=signed_minutes(alternative.break_in_gap)))
    return tuple(figures)


def change_view(day: SuiteDay, change: Change, zone: ZoneInfo) -> ChangeView:
    """One change in words: rooms where they differ, times always."""
    record = day.cases.get(change.case)
    return ChangeView(
        case=change.case,
        title=procedure(record) if record else "Case",
        who=surgeon(record) if record else "",
        where=where(change.origin, change.target, change.via),
        was=_time(change.origin, zone, "no time yet"),
        will=_time(change.target, zone, "not today"),
        reason=sentence(change.reason) + "." if change.reason.strip() else "",
        checked=f"{count(len(change.rules), 'rule')} checked: {', '.join(change.rules)}" if change.rules else "",
        postponed=change.target.room is None,
    )


def where(origin: Place, target: Place, via: Place | None = None) -> str:
    """`3 → 8`, `room 6` where the room stays, `postponed` where there is none; `via` where it waits."""
    if via is not None and via.room not in (None, origin.room, target.room):
        return f"{origin.room} → {via.room} → {target.room}"
    if target.room is None:
        return "postponed"
    if origin.room is None:
        return f"→ {target.room}"
    return f"room {target.room}" if origin.room == target.room else f"{origin.room} → {target.room}"


def _time(place: Place, zone: ZoneInfo, otherwise: str) -> str:
    moment: datetime | None = place.start if place.room is not None or otherwise != "not today" else None
    return clock(moment, zone) if moment else otherwise


def _payers(alternative: Alternative, most: timedelta) -> tuple[Payer, ...]:
    price = alternative.price
    payers = [
        _payer("Patients", price.patients_waiting, most, "more waiting"),
        _payer("Surgeons", price.surgeons_idle, most, "more idle"),
        _payer("Staff", price.staff_overtime, most, "overtime"),
    ]
    if price.postponed:
        payers.append(Payer(name="Postponed", share=100.0, text=count(price.postponed, "patient") + " not today"))
    if price.recovery_beds:
        share = min(100.0, round(100 * price.recovery_peak / price.recovery_beds, 1))
        payers.append(
            Payer(name="Recovery", share=share, text=f"{price.recovery_peak} of {price.recovery_beds} beds at most")
        )
    return tuple(payers)


def _payer(name: str, length: timedelta, most: timedelta, noun: str) -> Payer:
    number = whole_minutes(length)
    if number == 0:
        return Payer(name=name, share=0.0, text=f"no {noun}")
    if number < 0:
        return Payer(name=name, share=0.0, text=f"{-number} min less {noun.removeprefix('more ')}")
    return Payer(name=name, share=min(100.0, round(100 * length / most, 1)), text=f"{number} min {noun}")


def proof(alternative: Alternative, solver: SolverRecord | None, stale: bool, *, recommended: bool = True) -> str:
    """How good the answer is known to be (the others: among those of their kind), and how it was found."""
    best = "the best possible" if recommended else "the best of its kind"
    parts = []
    if solver is not None and solver.path == "right_shift":
        parts.append("Right-shift: every case later, none better placed")
    elif alternative.gap is None:
        parts.append(f"Distance to {best} not known")
    elif alternative.gap < 0.0005:
        parts.append("Proven: nothing cheaper exists" if recommended else "Proven the best of its kind")
    else:
        parts.append(f"Within {100 * alternative.gap:.1f} % of {best}")
    if solver is not None:
        parts.append(f"found in {solver.seconds:.1f} s")
        if solver.note:
            parts.append(solver.note.strip().rstrip("."))
    if stale:
        parts.append("made with older forecasts")
    return " · ".join(parts)
