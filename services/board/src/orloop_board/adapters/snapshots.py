"""Snapshots: the page in regions, each with the number of the snapshot in which it last changed.

A screen that has snapshot n gets the regions that changed after n; one that knows nothing, or comes
from an earlier process, gets all of them.
"""

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orloop_board.domain.heard import Heard
from orloop_board.domain.values import BoardView
from orloop_board.domain.view import view
from orloop_board.metrics import RENDER_SECONDS, SNAPSHOTS, STALE
from orloop_board.ports import Source
from orloop_common.runtime.clock import Clock

ROOT = Path(__file__).parent.parent
REGIONS = ("header", "banner", "advice", "actions", "timeline", "list", "cards")
ACTIONS = frozenset({"actions"})  # board runners only


def templates() -> Environment:
    """The page's templates; a name that is missing is an error, not a blank."""
    return Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass
class Channel:
    """One suite's newest snapshot. Belongs to the server's event loop."""

    suite: str
    boot: str
    version: int = 0
    view: BoardView | None = None
    regions: dict[str, tuple[int, str]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    drawn_from: tuple[Heard, bool] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """The id that goes out as `Last-Event-ID`."""
        return f"{self.boot}-{self.version}"

    def html(self) -> dict[str, str]:
        """All regions as they are now."""
        return {name: text for name, (_, text) in self.regions.items()}

    def since(self, last: str | None, may_act: bool) -> str | None:
        """What a screen that has snapshot `last` must be told, as JSON; None if it is up to date."""
        known = self._known(last)
        if known >= self.version:
            return None
        regions = {
            name: text for name, (at, text) in self.regions.items() if at > known and (may_act or name not in ACTIONS)
        }
        return json.dumps(self.meta | {"regions": regions}, ensure_ascii=False, separators=(",", ":"))

    def _known(self, last: str | None) -> int:
        boot, _, number = (last or "").rpartition("-")
        return int(number) if boot == self.boot and number.isdigit() else 0


class Snapshots:
    """Draws every suite's page at most as often as it is asked to, and wakes the screens that wait."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self.templates = templates()
        self._boot = secrets.token_hex(4)
        self._channels: dict[str, Channel] = {}

    def channel(self, suite: str) -> Channel:
        """The suite's channel, drawn at least once if there is anything to draw."""
        if suite not in self._channels:
            self._channels[suite] = Channel(suite=suite, boot=self._boot)
            self.refresh(suite)
        return self._channels[suite]

    def refresh(self, suite: str) -> None:
        """Draw the suite anew if what was heard, or its freshness, has changed."""
        channel = self._channels[suite]
        heard, pulse = self._source.heard(suite), self._source.pulse(suite)
        if channel.drawn_from is not None and channel.drawn_from[0] is heard and channel.drawn_from[1] == pulse.beating:
            return
        began = self._clock.monotonic()
        layout = next(s for s in self._source.suites if s.id == suite)
        drawn = view(heard, layout, pulse)
        channel.drawn_from = (heard, pulse.beating)
        if drawn is None:
            return
        self._draw(channel, drawn)
        RENDER_SECONDS.observe(self._clock.monotonic() - began)

    def _draw(self, channel: Channel, drawn: BoardView) -> None:
        version = channel.version + 1
        fresh = {
            name: text
            for name in REGIONS
            if (text := self.templates.get_template(f"{name}.html").render(view=drawn))
            != channel.regions.get(name, (0, None))[1]
        }
        meta = {
            "proposal": (drawn.advice.proposal or "") if drawn.advice.kind == "proposal" else "",
            "stale": not drawn.header.feed.live,
            "as_of": drawn.header.feed.as_of,
            "say": spoken(drawn),
        }
        channel.view = drawn
        if not fresh and meta == channel.meta:
            return
        channel.regions.update({name: (version, text) for name, text in fresh.items()})
        channel.meta, channel.version = meta, version
        channel.changed.set()
        channel.changed = asyncio.Event()
        SNAPSHOTS.labels(channel.suite).inc()
        STALE.labels(channel.suite).set(1 if meta["stale"] else 0)

    async def run(self, seconds: float = 0.5) -> None:
        """Draw all suites that somebody looks at, twice a second at most."""
        while True:
            for suite in tuple(self._channels):
                self.refresh(suite)
            await asyncio.sleep(seconds)


def spoken(drawn: BoardView) -> str:
    """What a screen reader is told when it changes: the recommendation, or how far the plan is."""
    advice = drawn.advice
    parts = [drawn.progress.headline] if drawn.progress else []
    if advice.kind == "proposal":
        by = f" Decide by {advice.decide_by}." if advice.decide_by else ""
        parts.append(f"Recommendation: {advice.headline}.{by}")
    elif advice.kind == "withheld":
        parts.append(f"{advice.headline}: {' '.join(advice.because)}")
    if not drawn.header.feed.live:
        parts.insert(0, f"Stale since {drawn.header.feed.since}.")
    return " ".join(parts)
