"""Titles, summaries and headlines: what a proposal says before anybody reads its changes."""

from collections.abc import Sequence
from datetime import timedelta

from orloop_common.domain.derived import Alternative, Price
from orloop_common.domain.plan import Change
from orloop_common.domain.wording import count, minutes

_TITLES = {
    "fewest_changes": "Fewest changes",
    "least_overtime": "Least overtime",
    "within_target": "Nobody waits past the target",
    "right_shift": "Everybody waits in turn",
    "different": "Another way",
}
HARDLY = 3
"""So many percent is hardly dearer; what costs more than that says so."""


def title(kind: str, price: Price, others: Sequence[Price], kept_free: str | None) -> str:
    """What an alternative is good at, said only if it is true."""
    if kind == "keep_room_free":
        return f"Keep room {kept_free} free"
    if kind == "lowest_cost":
        waits_least = all(price.patients_waiting <= other.patients_waiting for other in others)
        return "Fewest waits" if waits_least else "Best balance"
    return _TITLES[kind]


def summary(changes: Sequence[Change], price: Price, dearer: int = 0) -> str:
    """`3 cases change, 35 min of waiting, no overtime`; `dearer` by so many percent than the best."""
    parts = [f"{count(len(changes), 'case')} {'changes' if len(changes) == 1 else 'change'}"]
    parts.append(f"{minutes(price.patients_waiting)} of waiting" if price.patients_waiting else "nobody waits longer")
    parts.append(f"{minutes(price.staff_overtime)} more overtime" if price.staff_overtime else "no more overtime")
    if price.postponed:
        parts.append(f"{price.postponed} postponed")
    if dearer > HARDLY:
        parts.append(f"{dearer} % dearer in all than the first")
    return ", ".join(parts)


def headline(recommended: Alternative) -> str:
    """`Move 3 cases, nobody is postponed`."""
    moved = later = earlier = placed = 0
    for change in recommended.changes:
        origin, target = change.origin, change.target
        if target.start is None:
            continue
        if origin.start is None:
            placed += 1
        elif target.room != origin.room:
            moved += 1
        elif target.start > origin.start:
            later += 1
        else:
            earlier += 1
    parts = []
    if moved:
        parts.append(f"move {count(moved, 'case')}")
    if placed:
        parts.append(f"place {count(placed, 'add-on')}")
    if later:
        parts.append(f"start {count(later, 'case')} later")
    if earlier:
        parts.append(f"start {count(earlier, 'case')} earlier")
    postponed = recommended.price.postponed
    parts.append(f"{count(postponed, 'case is', 'cases are')} postponed" if postponed else "nobody is postponed")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def against_waiting(alternative: Alternative, waiting: Price) -> str:
    """What the recommendation saves against everybody waiting in turn; empty if nothing."""
    price = alternative.price
    saved = []
    if (less := waiting.patients_waiting - price.patients_waiting) > timedelta(0):
        saved.append(f"{minutes(less)} of waiting")
    if (less := waiting.staff_overtime - price.staff_overtime) > timedelta(0):
        saved.append(f"{minutes(less)} of overtime")
    if (fewer := waiting.postponed - price.postponed) > 0:
        saved.append(count(fewer, "postponement"))
    return f"Saves {' and '.join(saved)} against everybody waiting in turn." if saved else ""
