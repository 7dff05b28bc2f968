"""What the intake needs of the outside: a disk that takes entries, a broker that takes records."""

from collections.abc import Callable, Sequence
from typing import Protocol

from orloop_common.runtime.records import Output

from .reception import Arrival


class Posting(Protocol):
    """Hands records to the broker without waiting; callbacks run inside of `serve`."""

    def post(self, output: Output, done: Callable[[Exception | None, int], None]) -> bool:
        """Queue one record; False while the queue is full."""

    def serve(self) -> None:
        """Run the callbacks that are due."""


class Keeping(Protocol):
    """The journal, as the doors' thread sees it."""

    drained: int

    @property
    def last(self) -> int:
        """The sequence of the newest entry that is synced."""

    @property
    def size(self) -> int:
        """How much disk it takes."""

    def put(self, arrivals: Sequence[Arrival]) -> None:
        """Write them; the intake is told through `Intake.committed`. None at all: note how far the broker is.

        When it is told of an error, all that was put until then is lost, not only the batch that the disk refused.
        """

    def read(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """Entries after a sequence, oldest first."""


class Owner(Protocol):
    """Who waits for an arrival: a connection's slot, or a call of `take`. Called in the doors' thread."""

    def durable(self) -> None:
        """It is stored: acknowledge it."""

    def mapped(self) -> None:
        """Its events are determined: the application acknowledgement may go."""

    def lost(self) -> None:
        """It is not stored and nobody will store it: close, so that the sender keeps it."""


class Hook(Protocol):
    """The event loop's two ways to call back."""

    def call_soon(self, callback: Callable[[], None]) -> object: ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> object: ...
