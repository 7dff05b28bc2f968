"""People's words between the door's thread and the loop."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from orloop_writeback.ports import Word


class Inbox:
    """Words on their way from the door's thread to the loop, and back once they are on the log."""

    def __init__(self) -> None:
        self._news: deque[Word] = deque()
        self._waiting: dict[Word, Future[str]] = {}
        self._lock = threading.Lock()

    def say(self, word: Word) -> "Future[str]":
        """The event that it becomes."""
        with self._lock:
            if word not in self._waiting:
                self._waiting[word] = Future()
                self._news.append(word)
            return self._waiting[word]

    def heard(self) -> Sequence[Word]:
        """New words, in order; belongs to the loop."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def settled(self, word: Word, event: str, refused: str = "") -> None:
        """It is on the log, or why not; belongs to the loop."""
        with self._lock:
            waiting = self._waiting.pop(word, None)
        if waiting is not None and refused:
            waiting.set_exception(LookupError(refused))
        elif waiting is not None:
            waiting.set_result(event)
