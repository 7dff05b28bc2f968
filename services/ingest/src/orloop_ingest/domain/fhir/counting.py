"""Which events of a subscription have come: a gap in their numbers means that something was lost on the way."""

from dataclasses import dataclass

from .notifications import Notification


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Events of one subscription: all up to `done` were taken; `owed` says that a catch-up query must be made.

    `known` is False until the subscription has spoken for the first time.
    """

    done: int = 0
    owed: bool = False
    known: bool = False


def count(held: Count, told: Notification) -> tuple[Count, int]:
    """The new count, and how many events are missing before or within this notification.

    A handshake starts the count where the server says. A total below what was counted is a new subscription under an
    old name: counted anew, and asked for. An event that comes again with its old number changes nothing.
    """
    total = told.total or 0
    if told.kind == "handshake":
        if not held.known:
            return Count(done=total, known=True), 0
        missing = max(0, total - held.done)
        return Count(done=total, owed=held.owed or total != held.done, known=True), missing
    if told.total is not None and total < held.done and not told.numbers:
        return Count(done=total, owed=True, known=True), 0
    news = {number for number in told.numbers if number > held.done}
    top = max([held.done, total, *news])
    missing = max(0, top - held.done - len(news))
    owed = held.owed or missing > 0 or (told.kind == "event-notification" and told.wanted)
    return Count(done=top, owed=owed, known=True), missing
