"""Open a proposal to people, or withhold it and say why."""

from collections.abc import Callable
from dataclasses import dataclass, field

from orloop_common.domain.checker import Broken
from orloop_common.domain.derived import Alternative, Proposal, StopCondition
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import CauseClass, Mode

from .sight import Sight
from .stops import mode, proposal_stops, suite_stops
from .wording import case_name

Recheck = Callable[[Sight, Proposal, Alternative], tuple[Broken, ...]]
"""The hard rules that an alternative breaks on the newest fold; empty if it still holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """People may see it. `closed` names alternatives that break a rule by now, and why."""

    closed: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withhold:
    """People may not see it. `final`: the reason lies in the proposal itself and will not pass."""

    stops: tuple[StopCondition, ...]
    final: bool

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(stop.sentence for stop in self.stops)


Verdict = Open | Withhold


def judge(sight: Sight, proposal: Proposal, recheck: Recheck) -> Verdict:
    """Whether people may see the proposal, judged by its recommended alternative on the newest fold."""
    closed = {a.id: alternative_stops(sight, proposal, a, recheck) for a in proposal.alternatives}
    recommended = closed[proposal.alternatives[0].id] if proposal.alternatives else (_empty(sight),)
    final = (*(stop for stop in (mode(sight),) if stop), *recommended)
    if final:
        return Withhold(stops=final, final=True)
    passing = (*suite_stops(sight), *proposal_stops(sight, proposal))
    if passing:
        return Withhold(stops=passing, final=False)
    return Open(closed={a: tuple(s.sentence for s in stops) for a, stops in closed.items() if stops})


def why_not(sight: Sight, proposal: Proposal, alternative: Alternative, recheck: Recheck) -> tuple[str, ...]:
    """Sentences that speak against carrying out this alternative now; empty if it may be approved."""
    stops = [
        *(stop for stop in (mode(sight),) if stop),
        *suite_stops(sight),
        *proposal_stops(sight, proposal),
        *alternative_stops(sight, proposal, alternative, recheck),
    ]
    return tuple(stop.sentence for stop in stops)


def alternative_stops(
    sight: Sight, proposal: Proposal, alternative: Alternative, recheck: Recheck
) -> tuple[StopCondition, ...]:
    """What closes one alternative: a case in doubt, or a rule that it breaks since the log moved on."""
    doubts = doubted_case(sight, alternative)
    moved = log_moved_on(sight, proposal, alternative, recheck)
    return tuple(stop for stop in (doubts, moved) if stop)


def doubted_case(sight: Sight, alternative: Alternative) -> StopCondition | None:
    """What is known of a changed case may be wrong."""
    doubted = [c.case for c in alternative.changes if sight.day.doubted(c.case)]
    if not doubted:
        return None
    name = case_name(sight.day, sight.layout, doubted[0])
    more = f" and of {len(doubted) - 1} more" if len(doubted) > 1 else ""
    sentence = f"What is known of {name}{more} may be wrong: a message about it could not be read. Look it up first."
    return StopCondition(id="doubted_case", cause=CauseClass.DATA, sentence=sentence, since=sight.now)


def log_moved_on(sight: Sight, proposal: Proposal, alternative: Alternative, recheck: Recheck) -> StopCondition | None:
    """The checker disagrees on the newest fold: what the plan was made for is no longer so."""
    broken = recheck(sight, proposal, alternative)
    if not broken:
        return None
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    sentence = f"Things have moved on since this was proposed: {broken[0].sentence}{more}"
    return StopCondition(id="log_moved_on", cause=CauseClass.PROCESS, sentence=sentence, since=sight.now)


def _empty(sight: Sight) -> StopCondition:
    sentence = "The proposal holds no alternative that could be judged."
    return StopCondition(id="log_moved_on", cause=CauseClass.PROCESS, sentence=sentence, since=sight.now)


def mode_in_force(day: SuiteDay, initial: Mode) -> Mode:
    """The mode that was set last, or the configured one; one that is not available shows nothing to people."""
    chosen = day.mode.mode if day.mode else initial
    return Mode.SHADOW if chosen is Mode.AUTO else chosen
