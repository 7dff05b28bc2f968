"""The first line of the board: how the day stands and how fresh that is."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from orloop_common.domain.reading import phase, todays_cases
from orloop_common.domain.site import SuiteLayout
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import Mode

from .heard import Heard, Pulse
from .projection import Stay
from .values import Counts, Feed, Header, ModeView
from .wording import clock, clock_seconds, listing, long_date

_MODES: dict[Mode, tuple[str, str]] = {
    Mode.SHADOW: ("Shadow", "Recommendations are made and recorded, but nobody is asked."),
    Mode.ADVISORY: ("Advisory", "People decide on every recommendation."),
    Mode.AUTO: ("Auto", "Small allow-listed moves happen by themselves; people decide on the rest."),
    Mode.FROZEN: ("Frozen", "Everything is frozen: nothing is recommended, approved or sent."),
}


def header_of(
    heard: Heard, now: datetime, zone: ZoneInfo, layout: SuiteLayout, pulse: Pulse, stays: tuple[Stay, ...]
) -> Header:
    """Suite, date, counts, mode, freshness, and the last patient out."""
    down = {room for room, record in heard.day.rooms.items() if record.down}
    last = max(
        (s for s in stays if s.status != "done" and s.room not in down), key=lambda s: (s.end, s.case), default=None
    )
    return Header(
        suite=layout.id,
        name=layout.name,
        date=long_date(heard.day.calendar.day(now)),
        clock=clock(now, zone),
        now=now.isoformat(),
        counts=counts_of(heard.day),
        mode=mode_of(heard, zone),
        feed=feed_of(heard.day, now, zone, pulse),
        last_out=clock(last.end, zone) if last else None,
        last_out_room=last.room if last else None,
    )


def counts_of(day: SuiteDay) -> Counts:
    """Today's cases by phase."""
    phases = [(phase(r), bool(r.schedule and r.schedule.add_on)) for r in todays_cases(day)]
    return Counts(
        in_room=sum(1 for p, _ in phases if p == "in_room"),
        waiting=sum(1 for p, _ in phases if p in ("waiting", "called")),
        done=sum(1 for p, _ in phases if p == "done"),
        add_ons=sum(1 for p, add_on in phases if add_on and p in ("waiting", "called", "in_room")),
        cancelled=sum(1 for p, _ in phases if p in ("cancelled", "no_show")),
    )


def mode_of(heard: Heard, zone: ZoneInfo) -> ModeView:
    """The mode in force: the log's word, else the gate's."""
    changed = heard.day.mode
    mode = changed.mode if changed else heard.gate.mode if heard.gate else None
    if mode is None:
        return ModeView(mode="unknown", word="Mode not known", sentence="The gate has not said anything yet.")
    word, sentence = _MODES[mode]
    if changed is None:
        return ModeView(mode=str(mode), word=word, sentence=sentence)
    by = f"{word} since {clock(changed.at, zone)} by {changed.decided_by}"
    why = f": {changed.reason}" if changed.reason else ""
    return ModeView(mode=str(mode), word=word, sentence=f"{sentence} {by}{why}.", since=clock(changed.at, zone))


def feed_of(day: SuiteDay, now: datetime, zone: ZoneInfo, pulse: Pulse) -> Feed:
    """Live, or loudly stale: since when, why, and what is still true."""
    as_of = clock_seconds(now, zone)
    if not pulse.beating:
        return Feed(
            live=False,
            as_of=as_of,
            since=as_of,
            why="no clock tick has come since",
            still_true=f"This is how things stood at {as_of}. Nothing newer is known; work by phone until it is back.",
        )
    if day.silent_feeds:
        first = min(day.silent_feeds.values())
        names = listing(sorted(day.silent_feeds))
        verb = "is" if len(day.silent_feeds) == 1 else "are"
        since = clock(first, zone)
        return Feed(
            live=False,
            as_of=as_of,
            since=since,
            why=f"{names} {verb} silent",
            still_true=f"Rooms and cases are as of {since}. The clock runs, and what people report still arrives.",
        )
    return Feed(live=True, as_of=as_of)


def beat_limit(rate: float) -> timedelta:
    """How long may pass between two ticks (30 s of event time) on the wall before the board is stale."""
    return timedelta(seconds=max(10.0, 45.0 / rate)) if rate > 0 else timedelta(seconds=10)
