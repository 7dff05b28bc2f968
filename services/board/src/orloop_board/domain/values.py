"""The board as frozen values: everything that the page, the phone and `/board.json` show.

Positions (`x`, `width`) are per cent of the time axis. Times are already in the site's words.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Whether the board is live; if not, since when, why, and what still holds."""

    live: bool
    as_of: str
    since: str | None = None
    why: str = ""
    still_true: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How today's cases stand."""

    in_room: int
    waiting: int
    done: int
    add_ons: int
    cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeView:
    """How far the gate lets a proposal go, in a word and a sentence."""

    mode: str
    word: str
    sentence: str
    since: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line: which suite, which day, how many, how fresh, how late."""

    suite: str
    name: str
    date: str
    clock: str
    now: str
    counts: Counts
    mode: ModeView
    feed: Feed
    last_out: str | None = None
    last_out_room: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """An hour on the axis."""

    label: str
    x: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The hours from left to right; `now` is where the line stands."""

    start: str
    end: str
    hours: tuple[Tick, ...]
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stay on the timeline.

    `kind` is done, running, expected, arriving or pending; `tone` is plain, overrun, blocked or add_on. `leaves`
    are the alternatives (1, 2, 3) that take the case away from here, `shifts` those of them that keep it
    in the room, `arrives` those that bring it.
    """

    case: str
    kind: str
    tone: str
    x: float
    width: float
    title: str
    short: str
    who: str
    time: str
    full: str
    done_width: float = 0.0
    booked_x: float | None = None
    p80_x: float | None = None
    tail_width: float = 0.0
    leaves: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    arrives: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomView:
    """One room: its number, its state by word and symbol, its day, and the phone's line."""

    id: str
    number: str
    service: str
    state: str
    symbol: str
    word: str
    detail: str
    tone: str
    bars: tuple[Bar, ...]
    block_end_x: float
    down_x: float | None = None
    down_width: float = 0.0
    next_line: str = ""
    right: str = ""
    right_detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number under its name."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """One change: what moves, from where to where, from when to when, and why."""

    case: str
    title: str
    who: str
    where: str
    was: str
    will: str
    reason: str
    checked: str
    postponed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who pays how much; `share` is per cent of the most that any alternative asks of anybody."""

    name: str
    share: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeView:
    """One way out, ranked by `number`; `closed` says why it can no longer be chosen, if so."""

    number: int
    id: str
    title: str
    note: str
    summary: str
    figures: tuple[Figure, ...]
    changes: tuple[ChangeView, ...]
    payers: tuple[Payer, ...]
    proof: str
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the mesh says should be done now.

    `kind` is proposal (open, people may decide), withheld, holds (the plan still holds), decided or none.
    """

    kind: str
    headline: str
    trigger: str = ""
    more_triggers: tuple[str, ...] = ()
    proposal: str | None = None
    decide_by: str | None = None
    decide_in: str = ""
    urgent: bool = False
    alternatives: tuple[AlternativeView, ...] = ()
    because: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One approved change on its way through the hospital."""

    case: str
    title: str
    where: str
    will: str
    status: str
    word: str
    symbol: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an approved plan has been carried out: `n of m applied` first."""

    proposal: str
    headline: str
    detail: str
    state: str
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a curve, in per cent of the card's box."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Recovery beds: what was reported, and what the forecasts' medians add up to."""

    headline: str
    now: str
    detail: str
    beds: str
    curve: tuple[Point, ...] = ()
    limit_y: float | None = None
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOn:
    """A case that came today and waits."""

    case: str
    urgency: str
    title: str
    since: str
    by: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """Where an emergency could go now, and how long the longest wait for a break-in moment is."""

    headline: str
    detail: str
    gap: str = ""
    gap_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Teams of one role on shift now."""

    number: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards:
    """The bottom row; a card without a source is left out."""

    recovery: Recovery | None
    add_ons: tuple[AddOn, ...]
    emergency: Emergency | None
    teams: tuple[Team, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """The whole board at one moment. `can_act` is whether the desk's buttons are there at all."""

    header: Header
    axis: Axis
    rooms: tuple[RoomView, ...]
    advice: Advice
    progress: Progress | None
    cards: Cards
    stops: tuple[str, ...]
    can_act: bool
    down_rooms: tuple[str, ...]
    as_of: int
