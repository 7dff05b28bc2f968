"""What the twin's flow needs from outside."""

from typing import Protocol

from .domain.feed import ManualReport


class Link(Protocol):
    """A way to ingest's MLLP door."""

    async def ask(self, body: bytes) -> bytes:
        """The answer to one message; LinkLost if none comes."""


class Door(Protocol):
    """A way to the manual door."""

    async def report(self, report: ManualReport) -> bool:
        """True once taken, False if refused for good; LinkLost if it is to be tried again."""
