"""What a person sees while the mesh starts: a live table on a terminal, one plain line each elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from .supervise import BecameReady, Ended, Happening


class Screen(Protocol):
    """Where the launcher speaks."""

    def say(self, text: str) -> None: ...

    def expect(self, names: Iterable[str]) -> None: ...

    def happening(self, happening: Happening) -> None: ...

    def started(self) -> None: ...


def describe(happening: Happening) -> str:
    """A happening as one plain line."""
    if isinstance(happening, BecameReady):
        return f"{happening.name:<10} ready {'again ' if happening.again else ''}after {happening.seconds:.1f} s"
    return (
        f"{happening.name:<10} ended (exit code {happening.code}), starts again in {happening.delay:.1f} s: "
        f"{happening.why}"
    )


class PlainScreen:
    """Plain lines, flushed at once: for logs, pipes and CI."""

    def say(self, text: str) -> None:
        print(text, flush=True)

    def expect(self, names: Iterable[str]) -> None:
        """Nothing to show before it is ready."""

    def happening(self, happening: Happening) -> None:
        self.say(describe(happening))

    def started(self) -> None:
        """Nothing to clear."""


@dataclass
class LiveScreen:
    """A table with a spinner for each part that is still starting; plain lines once all are ready."""

    console: Console = field(default_factory=Console)
    _names: dict[str, str | None] = field(default_factory=dict)
    _live: Live | None = None

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def expect(self, names: Iterable[str]) -> None:
        self._names |= dict.fromkeys(names)
        if self._live is None:
            self._live = Live(console=self.console, refresh_per_second=8, transient=False)
            self._live.start()
        self._live.update(self._table())

    def happening(self, happening: Happening) -> None:
        if self._live is None or isinstance(happening, Ended):
            self.say(describe(happening))
            return
        self._names[happening.name] = f"ready after {happening.seconds:.1f} s"
        self._live.update(self._table())

    def started(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, ready in self._names.items():
            mark = "[green]✓[/]" if ready else Spinner("dots")
            table.add_row(mark, name, ready or "starting")
        return table


class screen:
    """The screen that fits standard output; leaves the terminal as it was."""

    def __init__(self, quiet: bool = False) -> None:
        self.shown: Screen = QuietScreen() if quiet else LiveScreen() if is_terminal() else PlainScreen()

    def __enter__(self) -> Screen:
        return self.shown

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shown.started()


class QuietScreen(PlainScreen):
    """Speaks on standard error, so that standard output holds JSON alone."""

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def is_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()
