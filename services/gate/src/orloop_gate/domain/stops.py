"""Stop conditions: when the gate withholds, and the sentence that says why.

Conditions of the suite hold for every proposal and pass by themselves; those of a proposal depend on
the cases it changes. Each is one function; its name is the condition's id.
"""

from collections.abc import Callable, Iterable

from orloop_common.domain.derived import Proposal, StopCondition
from orloop_common.domain.reading import entered, is_in_room, occupant
from orloop_common.domain.vocabulary import CauseClass, Mode

from .sight import Sight
from .wording import case_name, clock_time, listed, room_name


def stale_ticks(sight: Sight) -> StopCondition | None:
    """No tick for too long on the wall clock: nobody can tell whether the picture is current."""
    since = sight.day.now or sight.now
    if sight.tick_age is None:
        sentence = "The suite's clock has not started yet, so nothing can be judged."
    elif sight.tick_age > sight.tick_limit:
        told = clock_time(sight.day, since)
        sentence = f"The suite's clock has stopped at {told}: what you see may be out of date."
    else:
        return None
    return StopCondition(id="stale_ticks", cause=CauseClass.PROCESS, sentence=sentence, since=since)


def silent_feed(sight: Sight) -> StopCondition | None:
    """A sender says nothing any more: cases may have moved without our knowing."""
    if not sight.day.silent_feeds:
        return None
    since = min(sight.day.silent_feeds.values())
    sources = listed(sorted(sight.day.silent_feeds))
    sentence = f"Nothing has come from {sources} since {clock_time(sight.day, since)}: cases may have moved unseen."
    return StopCondition(id="silent_feed", cause=CauseClass.DATA, sentence=sentence, since=since)


def downstream_congestion(sight: Sight) -> StopCondition | None:
    """Approved changes pile up on their way into the hospital's system."""
    today = sight.day.calendar.day(sight.now)
    waiting = [p for p in sight.day.pending.values() if sight.day.calendar.day(p.decided) == today]
    late = [p for p in waiting if sight.now - p.decided > sight.limits.answer_within]
    if late:
        since = min(p.decided for p in late)
        count = f"{len(late)} approved change{' has' if len(late) == 1 else 's have'}"
        sentence = (
            f"{count} not come back from the hospital's system since {clock_time(sight.day, since)}: "
            "settle these first, a new plan would build on them."
        )
    elif len(waiting) > sight.limits.backlog:
        since = min(p.decided for p in waiting)
        sentence = f"{len(waiting)} approved changes are still on their way into the hospital's system: wait for them."
    else:
        return None
    return StopCondition(id="downstream_congestion", cause=CauseClass.DOWNSTREAM, sentence=sentence, since=since)


def stale_forecasts(sight: Sight, proposal: Proposal) -> StopCondition | None:
    """For a changed case, or the patient in a room that a case goes to, there is no fresh forecast."""
    stale, since = [], sight.now
    for case in _changed(proposal):
        forecast, heard = sight.forecasts.get(case), sight.heard.get(case)
        behind = forecast is None or (heard is not None and forecast.as_of < heard.as_of)
        if behind and (heard is None or sight.now - heard.at > sight.limits.forecast_grace):
            stale.append(case_name(sight.day, sight.layout, case))
            since = min(since, heard.at if heard else sight.now)
    for room in sorted({c.target.room for a in proposal.alternatives for c in a.changes if c.target.room}):
        inside = occupant(sight.day, room)
        if inside is None:
            continue
        forecast, begun = sight.forecasts.get(inside.case), entered(inside)
        last = forecast.at if forecast and is_in_room(inside) else begun
        if last is not None and sight.now - last > sight.limits.remaining_age:
            stale.append(f"the patient now in {room_name(sight.layout, room)}")
            since = min(since, last)
    if not stale:
        return None
    sentence = f"The forecast is out of date for {listed(stale)}: the times in this proposal may be wrong."
    return StopCondition(id="stale_forecasts", cause=CauseClass.MODEL, sentence=sentence, since=since)


def low_confidence(sight: Sight, proposal: Proposal) -> StopCondition | None:
    """Too many of the changed cases are unlike anything the forecast has learnt from."""
    changed = _changed(proposal)
    doubtful = [c for c in changed if (f := sight.forecasts.get(c)) is not None and f.low_confidence]
    if not doubtful or len(doubtful) < sight.limits.low_confidence_share * len(changed):
        return None
    names = listed([case_name(sight.day, sight.layout, c) for c in doubtful])
    sentence = f"Too little is known of how long {names} will take: judge this one by your own experience."
    return StopCondition(id="low_confidence", cause=CauseClass.MODEL, sentence=sentence, since=proposal.at)


def mode(sight: Sight) -> StopCondition | None:
    """In shadow and frozen mode nobody is shown a proposal."""
    if sight.mode is Mode.ADVISORY:
        return None
    set_by = sight.day.mode
    who = f" by {set_by.decided_by} at {clock_time(sight.day, set_by.at)}" if set_by else ""
    why = f" ({set_by.reason})" if set_by and set_by.reason else ""
    sentences = {
        Mode.FROZEN: f"Re-planning was frozen{who}{why}: the plan stays as it is.",
        Mode.SHADOW: f"Proposals are only recorded, not shown: shadow mode was set{who}{why}."
        if set_by
        else "Proposals are only recorded, not shown: this suite runs in shadow mode.",
    }
    sentence = sentences.get(sight.mode, f"The mode {sight.mode} is not available yet.")
    since = set_by.at if set_by else sight.now
    return StopCondition(id="mode", cause=CauseClass.PROCESS, sentence=sentence, since=since)


SUITE_STOPS: tuple[Callable[[Sight], StopCondition | None], ...] = (stale_ticks, silent_feed, downstream_congestion)
PROPOSAL_STOPS: tuple[Callable[[Sight, Proposal], StopCondition | None], ...] = (stale_forecasts, low_confidence)


def suite_stops(sight: Sight) -> tuple[StopCondition, ...]:
    """The conditions that hold for the whole suite; they pass by themselves."""
    return _held(stop(sight) for stop in SUITE_STOPS)


def proposal_stops(sight: Sight, proposal: Proposal) -> tuple[StopCondition, ...]:
    """The conditions that hold for this proposal and pass by themselves."""
    return _held(stop(sight, proposal) for stop in PROPOSAL_STOPS)


def _held(stops: Iterable[StopCondition | None]) -> tuple[StopCondition, ...]:
    return tuple(stop for stop in stops if stop is not None)


def _changed(proposal: Proposal) -> tuple[str, ...]:
    return tuple(sorted({change.case for a in proposal.alternatives for change in a.changes}))
