"""How the hospital judges a change that write-back asks for."""

from collections.abc import Mapping

from .draws import Draws
from .feed import ChangeDecision, ChangeRequest
from .generator import MINUTE
from .scenario import Writeback
from .suite import CaseOfDay, RoomOfDay


def objection(change: ChangeRequest, now: int, cases: Mapping[str, CaseOfDay], rooms: Mapping[str, RoomOfDay]) -> str:
    """Why the change cannot be, in words that name nobody and no id; empty if it can."""
    case, room = cases.get(change.case), rooms.get(change.room)
    if case is None or case.stage == "expected":
        return "This appointment is not known here"
    if case.gone:
        return "This appointment is cancelled"
    if not case.waiting:
        return "The patient is already in the room"
    if room is None:
        return "This room is not known here"
    if room.down and (room.back is None or change.start < room.back):
        return "This room is out of use"
    if change.start < now - 10 * MINUTE:
        return "The start that is asked for has passed"
    return ""


def judge(change: ChangeRequest, number: int, version: int, rules: Writeback, draws: Draws) -> ChangeDecision:
    """What the desk makes of a possible change, the `number`-th of the day: by script, else by chance."""
    key = ("write-back", change.case, version)
    if number in rules.refuse or draws.chance(rules.refuse_rate, *key, "refuse"):
        return ChangeDecision(False, "The theatre desk does not agree to this change")
    start = change.start
    if number in rules.alter or draws.chance(rules.alter_rate, *key, "alter"):
        start += rules.alter_minutes * MINUTE
    low, high = rules.slow_seconds if draws.chance(rules.slow_rate, *key, "slow") else rules.echo_seconds
    after = int(draws.between(low, high, *key, "echo"))
    return ChangeDecision(True, "", change.room, start, None if number in rules.silent else after)
