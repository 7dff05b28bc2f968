"""Write-back at work: one approved change after the other, each only after the one before was echoed.

What no interface takes waits for a person's word instead, and counts by the same echo. Everything follows from the
log: after a crash the same message goes out under the same MSH-10, and the hospital answers it as it did.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from orloop_common.domain import events as e
from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.derived import CaseIdentity, WritebackStatus
from orloop_common.domain.digest import derived_id, digest
from orloop_common.domain.site import Site
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.domain.vocabulary import ChangeAnswer
from orloop_common.messages import CASE_IDENTITY, SUITE_EVENTS, WRITEBACK_STATUS
from orloop_common.runtime import Clock, OrloopError, Output, Partition, Record
from orloop_common.runtime.logs import get_logger

from . import metrics
from .awaiting import Awaiting
from .domain.book import SuiteBook
from .domain.message import Answer, Step
from .domain.routes import Routes
from .domain.statuses import statuses
from .domain.tasks import refusal, remark
from .domain.under_way import UnderWay, late
from .domain.worklist import Line, worklist
from .ports import Courier, Scribe, Tasks, Word, Words

_log = get_logger("writeback")
_ANSWERS = {
    "accepted": ChangeAnswer.ACKNOWLEDGED,
    "refused": ChangeAnswer.REFUSED,
    "unanswered": ChangeAnswer.TIMED_OUT,
}


class WritebackFlow:
    """One flow for all suites; without a courier it only tells what people have to enter by hand."""

    def __init__(
        self,
        site: Site,
        suites: Iterable[str],
        clock: Clock,
        scribe: Scribe | None,
        courier: Courier | None,
        echo_within: timedelta = timedelta(minutes=10),
        routes: Routes | None = None,
        words: Words | None = None,
        tasks: Tasks | None = None,
    ) -> None:
        self._routes = routes or Routes(sending=courier is not None)
        self._words = words
        self._awaiting = Awaiting(tasks, scribe) if tasks is not None and scribe is not None else None
        self._said: dict[str, Word] = {}
        self._suites = frozenset(suites)
        self._calendar = OperationalCalendar(site.timezone, site.day_boundary)
        self._clock, self._scribe, self._courier, self._echo_within = clock, scribe, courier, echo_within
        self._books: dict[str, SuiteBook] = {}
        self._ways: dict[str, UnderWay] = {}
        self._texts: dict[str, dict[tuple[str, str], str]] = {}
        self._places: dict[str, Partition] = {}

    # --- the loop ------------------------------------------------------------------------------------

    def fold(self, record: Record) -> None:
        if record.suite not in self._suites:
            return
        book = self._book(record.suite)
        if record.topic == SUITE_EVENTS and isinstance(record.message, e.Event):
            self._places[record.suite] = (record.topic, record.partition)
            book.take_event(record.message, record.offset)
            if isinstance(record.message, e.ChangeAnswered):
                answered = record.message
                self._texts[record.suite][answered.proposal, answered.case] = answered.text
        elif isinstance(record.message, CaseIdentity):
            book.take_identity(record.message)
        elif record.topic == CASE_IDENTITY and record.message is None:
            book.forget_identity((record.key or "").removeprefix(f"{record.suite}/"))

    def outputs(self, record: Record) -> Iterator[Output]:
        """Nothing follows from a record alone: changes are sent on the newest fold."""
        return iter(())

    def idle(self) -> Iterator[Output]:
        for answer in self._courier.answers() if self._courier else ():
            yield from self._heard(answer)
        for suite, book in self._books.items():
            way = self._ways[suite]
            way.told = {id: change for id, change in way.told.items() if id not in book.day.seen}
            self._recheck(book, way)
            yield from self._given_up(book, way)
            if self._courier is not None and not way.told:
                yield from self._next(book, way)
            way.lines = worklist(book.day, book.by_hand)
            yield from self._tell(book, way)
        yield from self._inboxes()
        yield from self._people()

    def revoked(self, partitions: Iterable[Partition]) -> None:
        """Hold nothing of what another process folds now."""
        numbers = {partition for _, partition in partitions}
        for suite, (_, partition) in list(self._places.items()):
            if partition in numbers:
                for held in (self._books, self._ways, self._texts, self._places):
                    held.pop(suite, None)

    def state(self) -> dict[str, Any]:
        return {
            suite: {
                "digest": digest(book.day),
                "offset": book.offset,
                "pending": len(book.day.pending),
                "sending": self._ways[suite].sending is not None,
            }
            for suite, book in sorted(self._books.items())
        }

    # --- inside --------------------------------------------------------------------------------------

    def _book(self, suite: str) -> SuiteBook:
        if suite not in self._books:
            self._books[suite] = SuiteBook(SuiteDay(suite=suite, calendar=self._calendar), self._routes)
            self._ways[suite], self._texts[suite] = UnderWay(), {}
        return self._books[suite]

    def _heard(self, answer: Answer) -> Iterator[Output]:
        """The courier is back: tell the log, unless the case only waits on its way."""
        step, way = answer.step, self._ways.get(answer.step.suite)
        if way is None or way.sending != step:
            return  # the suite moved to another process, which sends it again
        way.sending, way.withdrawn = None, False
        if answer.kind == "withdrawn":
            objection = self._books[step.suite].objection(step)
            if objection is not None and answer.tries and step.case in self._books[step.suite].day.pending:
                text = f"{objection} It left {answer.tries} times without an answer: look it up in their system."
                yield self._answer(way, step.suite, step.proposal, step.case, ChangeAnswer.TIMED_OUT, text, step)
        elif step.to_target or answer.kind != "accepted":
            yield self._answer(way, step.suite, step.proposal, step.case, _ANSWERS[answer.kind], answer.text, step)
        else:
            way.parked = (step, self._clock.now())

    def _recheck(self, book: SuiteBook, way: UnderWay) -> None:
        """Before every further try: what happened since the first one may speak against it."""
        step = way.sending
        if step is None or way.withdrawn or self._courier is None:
            return
        why = book.objection(step) or book.delay(step)
        if why is not None:
            way.withdrawn = True
            self._courier.withdraw(step)
            _log.info("change_to_be_withdrawn", control_id=step.control_id, reason=why)

    def _given_up(self, book: SuiteBook, way: UnderWay) -> Iterator[Output]:
        for one in late(book, way, self._echo_within):
            proposal, case = one.pending.proposal, one.pending.change.case
            yield self._answer(way, book.day.suite, proposal, case, one.answer, one.text, one.step)

    def _next(self, book: SuiteBook, way: UnderWay) -> Iterator[Output]:
        """Send what may be sent now; what must not be sent any more is answered by ourselves."""
        way.waits = {}
        if way.sending is not None or way.parked is not None:
            return
        step = book.next_step()
        if step is None:
            stuck = book.stuck()
            if stuck is not None:
                text = "These changes wait for each other: enter them in the hospital's system by hand."
                case = stuck.change.case
                yield self._answer(way, book.day.suite, stuck.proposal, case, ChangeAnswer.REFUSED, text, None)
            return
        key = (step.proposal, step.case)
        if (why := book.delay(step)) is not None:
            way.waits = {key: why}
        objection = book.objection(step)
        if objection is None and way.waits:
            return
        objection = objection or self._dispatch(book, way, step)
        if objection is not None:
            yield self._answer(way, step.suite, step.proposal, step.case, ChangeAnswer.REFUSED, objection, None)

    def _dispatch(self, book: SuiteBook, way: UnderWay, step: Step) -> str | None:
        assert self._scribe is not None
        assert self._courier is not None
        try:
            body, secrets = self._scribe.write(step, book.identities[step.case].payload)
        except (OrloopError, ValueError) as error:
            _log.error("identity_cannot_be_opened", error=type(error).__name__)
            return "The sender's id of this case cannot be opened with our key: enter the change by hand."
        way.sending = step
        self._courier.send(step, body, secrets)
        _log.info("change_sent", control_id=step.control_id, order=step.pending.order, of=step.pending.of)
        return None

    def _people(self) -> Iterator[Output]:
        """What people said of the worklist becomes an answer like the hospital's; the echo decides all the same."""
        if self._words is None:
            return
        for id, word in list(self._said.items()):
            if id not in self._ways.get(word.suite, UnderWay()).told:
                self._words.settled(self._said.pop(id), id)
        for word in self._words.heard():
            book, way_ = self._books.get(word.suite), self._ways.get(word.suite)
            line = next((one for one in way_.lines if one.case == word.case), None) if way_ else None
            if book is None or way_ is None or line is None or line.proposal != word.proposal:
                self._words.settled(word, "", "Expected a line of the worklist, got one that is not on it any more.")
                continue
            answer = ChangeAnswer.ACKNOWLEDGED if word.done else ChangeAnswer.REFUSED
            text = f"{'Keyed in by' if word.done else 'Not keyed in, says'} {word.who}. {word.text}".strip()
            output = self._answer(way_, word.suite, word.proposal, word.case, answer, text, None)
            self._said[output.id] = word
            yield output

    def _inboxes(self) -> Iterator[Output]:
        """What hospitals say of Tasks that were taken: a no ends the change, anything else is shown and no more."""
        if self._awaiting is None:
            return
        for said in self._awaiting.heard(self._books, self._ways):
            step, way = said.step, self._ways[said.step.suite]
            no = refusal(said)
            if no is None:
                way.remarks[step.proposal, step.case] = remark(said)
                continue
            if way.parked is not None and way.parked[0].control_id == step.control_id:
                way.parked = None
            yield self._answer(way, step.suite, step.proposal, step.case, ChangeAnswer.REFUSED, no, step)
        self._awaiting.watch(self._books, self._ways)

    def lines(self, suite: str) -> tuple[tuple[Line, str], ...]:
        """The worklist as it was a moment ago, each line with its sealed identity; any thread may ask."""
        book, way = self._books.get(suite), self._ways.get(suite)
        if book is None or way is None:
            return ()
        sealed = book.identities
        return tuple((line, sealed[line.case].payload if line.case in sealed else "") for line in way.lines)

    def _answer(
        self, way: UnderWay, suite: str, proposal: str, case: str, answer: ChangeAnswer, text: str, step: Step | None
    ) -> Output:
        id = derived_id("change-answered", proposal, case, answer)
        event = e.ChangeAnswered(
            id=id,
            suite=suite,
            at=self._clock.now(),
            proposal=proposal,
            case=case,
            answer=answer,
            message=step.control_id if step else "",
            text=text,
        )
        way.told[id] = (proposal, case)
        metrics.ANSWERS.labels(suite, str(answer)).inc()
        return Output(SUITE_EVENTS, suite, suite, event, id, cause=derived_id("decision", proposal), at=event.at)

    def _tell(self, book: SuiteBook, way: UnderWay) -> Iterator[Output]:
        """Each change's status, when it is another than was said last."""
        day = book.day
        metrics.PENDING.labels(day.suite).set(len(day.pending))
        metrics.WORKLIST.labels(day.suite).set(len(way.lines))
        outcomes = [o for decision in day.decisions.values() for o in decision.outcomes.values()]
        metrics.UNCONFIRMED.labels(day.suite).set(outcomes.count("unconfirmed"))
        sent = frozenset(way.told.values()) | ({(way.sending.proposal, way.sending.case)} if way.sending else set())
        at = day.now or self._clock.now()
        latest: dict[str, WritebackStatus] = {}
        by_hand = frozenset((line.proposal, line.case) for line in way.lines)
        way.remarks = {key: text for key, text in way.remarks.items() if _waits(day, key)}
        texts = {**way.waits, **self._texts[day.suite], **way.remarks}
        for status in statuses(day, book.offset, at, sent, texts, by_hand, self._routes.sending):
            held = latest.get(status.case)
            if held is None or _decided(day, status) >= _decided(day, held):
                latest[status.case] = status
        for case, status in latest.items():
            news = (status.proposal, status.status, status.order, status.of, status.text)
            if way.published.get(case) == news:
                continue
            way.published[case] = news
            id = derived_id(WRITEBACK_STATUS, day.suite, case, str(book.offset), digest(status))
            yield Output(WRITEBACK_STATUS, f"{day.suite}/{case}", day.suite, status, id, at=at)


def _waits(day: SuiteDay, change: tuple[str, str]) -> bool:
    proposal, case = change
    pending = day.pending.get(case)
    return pending is not None and pending.proposal == proposal


def _decided(day: SuiteDay, status: WritebackStatus) -> datetime:
    return day.decisions[status.proposal].decided.at


TOPICS = (SUITE_EVENTS, CASE_IDENTITY)
