"""A desk for tests of settling: messages in, what was settled folded at once, as after the broker's word."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from typing import Any

from orloop_common.domain.events import CaseScheduled, Event, Procedure, Surgeon
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.site import RoomLayout, Site, SuiteLayout
from orloop_common.messages.identity import PatientIdentity, SenderIdentity
from orloop_ingest.domain.identities import CaseIdentityDraft
from orloop_ingest.domain.known import Known
from orloop_ingest.domain.pseudonyms import Pseudonyms
from orloop_ingest.domain.settling import Settled, settle
from orloop_ingest.domain.told import Act, CaseRef, CaseTold, PatientsMerged, Statement, Told
from orloop_ingest.ledger import Ledger

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = Pseudonyms(b"s" * 32)
ROOM = RoomLayout(
    id="1", name="1", service="x", services=("x",), block_start=time(7), block_end=time(15), closes=time(19)
)
SITE = Site(
    site="test",
    timezone="Europe/Berlin",
    day_boundary=time(4),
    suites=(SuiteLayout(id="main", name="Main", rooms=(ROOM,)),),
)
ADA = PatientIdentity(id="CANARYMRN77", assigner="DEMO", type="MR", name="Zzyxcanary^Ada", birth="19511123", sex="F")


def minutes(count: float) -> datetime:
    """So many minutes past eight on the test's day."""
    return datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(minutes=count)


def patient(number: str) -> PatientIdentity:
    return replace(ADA, id=number)


def booking(
    case: str = "A1",
    *,
    ids: tuple[str, ...] | None = None,
    start: float | None = 60,
    room: str | None = "3",
    pid: PatientIdentity = ADA,
    visit: str = "",
    source: str = "TWIN",
    **more: Any,
) -> CaseTold:
    """A whole version of a case, unless told otherwise."""
    ids = ids or (case,)
    fields = {
        "service": "orthopaedics",
        "procedures": (Procedure(code="5-820", text="Hip", system="OPS"),),
        "surgeons": (Surgeon(id="S017", name="Anna Meyer"),),
        "equipment": (),
        "room": room,
    } | more.pop("fields", {})
    return CaseTold(
        ref=CaseRef(ids=ids, visit=visit, patient=pid),
        identity=SenderIdentity(source=source, suite="main", filler=ids[0], visit=visit, pid=pid),
        act=more.pop("act", Act.BOOKED),
        start=minutes(start) if start is not None else None,
        booked=timedelta(minutes=90) if start is not None else None,
        fields=fields,
        **more,
    )


def merge(retired: str, survivor: str) -> PatientsMerged:
    return PatientsMerged(retired=patient(retired), survivor=patient(survivor))


@dataclass
class SettlingDesk:
    """`desk.tell(booking(...), at=5)`: five minutes past eight the sender says so."""

    ledger: Ledger = field(default_factory=lambda: Ledger(SITE, ["main"]))
    pseudonyms: Pseudonyms = SECRET
    records: list[CaseIdentityDraft] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    number: int = 0

    def message(self, *statements: Statement, at: float, source: str = "TWIN", **more: Any) -> Told:
        self.number += 1
        content = sha256(repr((source, statements, more)).encode()).hexdigest()
        base: dict[str, Any] = {
            "source": source,
            "suite": "main",
            "namespace": "EHR",
            "at": minutes(at),
            "received": max(minutes(at), NOON),
            "raw": f"raw{self.number}",
            "content": content,
            "statements": statements,
        }
        return Told(**base | more)

    def tell(self, *statements: Statement, at: float, **more: Any) -> Settled:
        return self.hear(self.message(*statements, at=at, **more))

    def hear(self, told: Told) -> Settled:
        settled = settle(told, self.known, self.pseudonyms)
        self.write(settled.identities, settled.events)
        return settled

    def again(self, told: Told, at: float) -> Settled:
        """The same message after an outage: other MSH-7, other MSH-10, received later."""
        self.number += 1
        late = minutes(at)
        return self.hear(replace(told, at=late, received=max(late, told.received), raw=f"raw{self.number}"))

    def write(self, records: Iterable[CaseIdentityDraft] = (), events: Iterable[Event] = ()) -> None:
        for record in records:
            self.ledger.fold_record(record)
            self.records.append(record)
        for event in events:
            self.ledger.fold(event)
            self.events.append(event)

    @property
    def known(self) -> Known:
        return self.ledger.known("main")

    def uid(self, case: str = "A1") -> str:
        (found,) = self.known.identities.by_id["EHR", case]
        return found

    def case(self, case: str = "A1") -> CaseRecord:
        return self.known.case(self.uid(case))

    def schedule(self, case: str = "A1") -> CaseScheduled:
        schedule = self.case(case).schedule
        assert schedule is not None
        return schedule

    def state(self) -> dict[str, Any]:
        """What planning sees of each case, without when and under which id it was told."""
        return {
            case: (
                replace(record.schedule, id="", at=NOON) if record.schedule else None,
                record.status,
                {m: r.at for m, r in record.milestones.items()},
                dict(record.readiness),
                record.doubts,
                record.replaces,
            )
            for case, record in self.known.day.cases.items()
        }
