"""Which Tasks wait in hospitals' inboxes for their echo, and what was said of those that still do."""

from collections.abc import Iterator, Mapping

from orloop_common.runtime import OrloopError
from orloop_common.runtime.logs import get_logger

from .domain.book import SuiteBook
from .domain.message import Step
from .domain.tasks import TaskSaid
from .domain.under_way import UnderWay
from .ports import Scribe, Tasks

_log = get_logger("awaiting")


class Awaiting:
    """Keeps nothing that does not follow from the log: after a restart every open Task is read again."""

    def __init__(self, tasks: Tasks, scribe: Scribe) -> None:
        self._tasks, self._scribe = tasks, scribe
        self._secrets: dict[str, tuple[str, ...]] = {}

    def heard(self, books: Mapping[str, SuiteBook], ways: Mapping[str, UnderWay]) -> Iterator[TaskSaid]:
        """What is new of Tasks that were not echoed, given up or moved to another process meanwhile."""
        for said in self._tasks.said():
            book, way = books.get(said.step.suite), ways.get(said.step.suite)
            if book is not None and way is not None and said.step.control_id in _open(book, way):
                yield said

    def watch(self, books: Mapping[str, SuiteBook], ways: Mapping[str, UnderWay]) -> None:
        """Say which are to be looked after from now on."""
        found = {
            id: (step, self._secrets_of(step, book))
            for suite, book in books.items()
            for id, step in _open(book, ways[suite]).items()
        }
        self._secrets = {id: words for id, words in self._secrets.items() if id in found}
        self._tasks.watch(found)

    def _secrets_of(self, step: Step, book: SuiteBook) -> tuple[str, ...]:
        """The words that name the patient: nothing of them is shown."""
        if step.control_id not in self._secrets and step.case in book.identities:
            try:
                self._secrets[step.control_id] = self._scribe.write(step, book.identities[step.case].payload)[1]
            except (OrloopError, ValueError) as error:
                _log.error("identity_cannot_be_opened", error=type(error).__name__)
                self._secrets[step.control_id] = ()
        return self._secrets.get(step.control_id, ())


def _open(book: SuiteBook, way: UnderWay) -> dict[str, Step]:
    parked = (way.parked[0],) if way.parked is not None and way.parked[0].route.tasks else ()
    return {step.control_id: step for step in (*book.awaited_tasks(), *parked)}
