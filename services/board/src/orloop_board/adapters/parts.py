"""What the web part is made of, and what its routes share."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from orloop_board.ports import Gate, ManualDoor, Planner, Source
from orloop_common.domain.site import SuiteLayout

from .door import Door, Session
from .snapshots import Snapshots


@dataclass(frozen=True, slots=True)
class Board:
    """What the web part is made of."""

    source: Source
    gate: Gate
    manual: ManualDoor
    door: Door
    snapshots: Snapshots
    planner: Planner | None = None
    cookie: str = "orloop_board"
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")


def session_of(request: Request) -> Session:
    session: Session = request.scope["session"]
    return session


Looking = Annotated[Session, Depends(session_of)]


def layout_of(board: Board, suite: str | None) -> SuiteLayout:
    known = board.source.suites
    found = next((s for s in known if s.id == suite), None if suite else known[0])
    if found is None:
        raise HTTPException(404, f"There is no suite {suite}.")
    return found
