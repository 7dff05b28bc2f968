"""Wishes that people have of a plan, and what became of them: the question and the answer of `why_not`."""

import shlex
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from orloop_common.domain.plan import Place
from orloop_common.domain.problem import PlanProblem, ProblemCase
from orloop_common.domain.wording import clock_time, the

GRAMMAR = "case=X room=4 | case=X leave | case=X before=Y | case=X start=11:00"


class WishError(ValueError):
    """What was asked is not a wish of this problem; the message names what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One case, and one thing that is wanted of it.

    Exactly one of: in `room`; `leave` it where it is published; to start `before` another case does;
    to start at `start`. `room` and `start` may go together.
    """

    case: str
    room: str | None = None
    leave: bool = False
    before: str | None = None
    start: datetime | None = None

    def __post_init__(self) -> None:
        if self.before == self.case:
            raise WishError(
                f"Expected another case to come after {self.case!r}, got the same.\nMaybe name another one."
            )
        asked = [self.room is not None or self.start is not None, self.leave, self.before is not None]
        if sum(asked) != 1:
            raise WishError(
                f"Expected one wish for {self.case!r}, got {sum(asked)}.\nMaybe ask one after the other: {GRAMMAR}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class WishAnswer:
    """What a wish breaks or costs, against the plan that is asked about.

    `sentence` is for people. `rules` are the ids that forbid the wish (then nothing else is set). Otherwise
    the wish costs at least `at_least` and at most `at_most` more, in the published unit (negative: it is
    cheaper), and `plan` costs `at_most` more; `terms` are its parts. `at_least` is None where nothing is
    known, `plan` where none was found in time. `at_most` is about the cost only: `postponed` more cases
    go to another day with it. `better` says that the plan is worth proposing in place of the present one.
    """

    wish: Wish
    question: str
    sentence: str
    rules: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    postponed: int = 0
    terms: dict[str, int] | None = None
    plan: dict[str, Place] | None = None
    better: bool = False

    @property
    def forbidden(self) -> bool:
        return bool(self.rules)


def parse_wish(text: str, problem: PlanProblem) -> Wish:
    """`case=X room=4`, `case=X leave`, `case=X before=Y` or `case=X start=11:00` (site time); `room` with `start` too.

    A case is named by its id, the beginning of one, or its label (quoted if it has spaces).

    Raises
    ------
    WishError
        If this is none of these, or names what the problem does not have.
    """
    try:
        words = [word.partition("=") for word in shlex.split(text)]
    except ValueError as error:
        raise WishError(f"Expected {GRAMMAR}, got {text!r} ({error}).\nMaybe close the quotes.") from None
    given = {key: value for key, _, value in words}
    if len(given) != len(words) or not given.keys() <= {"case", "room", "leave", "before", "start"}:
        raise WishError(f"Expected {GRAMMAR}, got {text!r}.\nMaybe one word is misspelt or given twice.")
    if not given.get("case"):
        raise WishError(f"Expected {GRAMMAR}, got {text!r}.\nMaybe name the case: case=... .")
    movable = {case.id: case.label for case in problem.cases}
    known = movable | {held.id: held.label for held in problem.committed}
    room = given.get("room")
    if room is not None and room not in {r.id for r in problem.rooms}:
        rooms = ", ".join(r.id for r in problem.rooms)
        raise WishError(f"Expected a room of {problem.suite} ({rooms}), got {room!r}.\nMaybe leave out 'room' or 'OR'.")
    return Wish(
        case=_named(given["case"], movable, known),
        room=room,
        leave="leave" in given,
        before=_named(given["before"], known, known) if "before" in given else None,
        start=_moment(given["start"], problem) if "start" in given else None,
    )


def case_of(problem: PlanProblem, wish: Wish) -> ProblemCase:
    """The wish's case.

    Raises
    ------
    WishError
        If the problem has no such case that can move.
    """
    found = next((case for case in problem.cases if case.id == wish.case), None)
    if found is None:
        held = any(held.id == wish.case for held in problem.committed)
        why = "it can no longer move" if held else "it is not among today's open cases"
        raise WishError(f"Expected a case that can move, got {wish.case!r}.\nMaybe {why}.")
    return found


def label_of(problem: PlanProblem, case: str) -> str:
    """`the hip` by its id, whether it can move or not."""
    movable = {c.id: c.label for c in problem.cases}
    return the((movable | {held.id: held.label for held in problem.committed}).get(case, case))


def question(problem: PlanProblem, wish: Wish) -> str:
    """`Why not room 4 for the hip?`"""
    who = the(case_of(problem, wish).label)
    if wish.leave:
        return f"Why not leave {who} where it is?"
    if wish.before is not None:
        return f"Why is {who} after {label_of(problem, wish.before)}?"
    where = f"room {wish.room} " if wish.room is not None else ""
    when = f"at {clock_time(wish.start, problem.timezone)} " if wish.start is not None else ""
    return f"Why not {where}{when}for {who}?"


def _named(name: str, allowed: dict[str, str], known: dict[str, str]) -> str:
    """The one case of that id, beginning of an id, or label."""
    if name in allowed:
        return name
    called = [case for case, label in allowed.items() if label.casefold() == name.casefold()]
    begins = [case for case in allowed if len(name) >= 3 and case.startswith(name)]
    for found in (called, begins):
        if len(found) == 1:
            return found[0]
    if called or begins:
        raise WishError(f"Expected one case called {name!r}, got {len(called or begins)}.\nMaybe give its id.")
    held = name in known or any(label.casefold() == name.casefold() for label in known.values())
    why = "it can no longer move" if held else "it is not among today's open cases"
    raise WishError(f"Expected a case that can move, got {name!r}.\nMaybe {why}.")


def _moment(clock: str, problem: PlanProblem) -> datetime:
    """A time on the site's clocks, of the problem's day."""
    try:
        return datetime.combine(
            problem.now.astimezone(ZoneInfo(problem.timezone)).date(),
            time.fromisoformat(clock.zfill(5)),
            ZoneInfo(problem.timezone),
        )
    except ValueError:
        raise WishError(f"Expected a time such as 11:00, got {clock!r}.\nMaybe write hours and minutes.") from None
