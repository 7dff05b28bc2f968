"""The one question of this service: what does the board show now?"""

from zoneinfo import ZoneInfo

from orloop_common.domain.site import SuiteLayout

from .advice import advice_of, open_proposal
from .axis import axis_of, scale_of
from .cards import cards_of
from .header import header_of
from .heard import Heard, Pulse
from .progress import progress_of
from .projection import project
from .rooms import Moment, room_views
from .values import BoardView
from .wording import clock, sentence


def view(heard: Heard, layout: SuiteLayout, pulse: Pulse) -> BoardView | None:
    """The board, as a pure function of what was heard; None until the first tick has told the time."""
    now = heard.day.now
    if now is None:
        return None
    zone = ZoneInfo(heard.day.calendar.timezone)
    by_room = project(heard.day, heard.forecasts)
    known = {room.id for room in layout.rooms}
    stays = tuple(s for room, lane in by_room.items() if room in known for s in lane)
    proposal = open_proposal(heard)
    scale = scale_of(now, heard.day.calendar, layout, stays)
    moment = Moment(
        heard=heard,
        now=now,
        zone=zone,
        scale=scale,
        alternatives=proposal.alternatives if proposal else (),
    )
    header = header_of(heard, now, zone, layout, pulse, stays)
    return BoardView(
        header=header,
        axis=axis_of(scale, now, zone),
        rooms=room_views(moment, layout.rooms, by_room),
        advice=advice_of(heard, now, zone),
        progress=progress_of(heard, now, zone),
        cards=cards_of(heard, now, zone, scale, layout.rooms, stays),
        stops=_stops(heard, zone),
        can_act=header.feed.live,
        down_rooms=tuple(r.id for r in layout.rooms if (d := heard.day.rooms.get(r.id)) and d.down),
        as_of=heard.as_of,
    )


def _stops(heard: Heard, zone: ZoneInfo) -> tuple[str, ...]:
    """The gate's stop conditions, in its words, with since when."""
    stops = heard.gate.stops if heard.gate else ()
    return tuple(f"{sentence(s.sentence)} (since {clock(s.since, zone)})." for s in stops)
