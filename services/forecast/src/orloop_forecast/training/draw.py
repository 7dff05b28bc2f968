"""Finished cases drawn from the published distributions, as the same records that the log would fold into."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from immutables import Map

from orloop_common.domain.calendar import OperationalCalendar
from orloop_common.domain.events import CaseScheduled, Surgeon
from orloop_common.domain.events import Procedure as Booked
from orloop_common.domain.features import record_features
from orloop_common.domain.reading import stage
from orloop_common.domain.records import CaseRecord, Recorded
from orloop_common.domain.vocabulary import Milestone, Source, Urgency

from .published import Procedure, procedures, steps

DAY = datetime(2025, 1, 6, tzinfo=UTC)
CALENDAR = OperationalCalendar()
SURGEONS = 6  # a service
UNKNOWN = 0.15  # share of cases whose procedure, and of cases whose surgeon, the encoder has never met
TAIL = 0.02
BOOKING_SPREAD = 0.25  # so that 25-45 % of cases end within 15 minutes of their booked length, as hospitals report
SHARES = {
    "orthopaedics": 0.18,
    "general": 0.2,
    "urology": 0.11,
    "gynaecology": 0.11,
    "ent": 0.1,
    "eye": 0.06,
    "plastic": 0.07,
    "vascular": 0.06,
    "neurosurgery": 0.04,
    "thoracic": 0.03,
    "oncology": 0.02,
    "mixed": 0.02,
}
_URGENCIES = (Urgency.ELECTIVE, Urgency.EXPEDITED, Urgency.URGENT, Urgency.IMMEDIATE)
Values = dict[str, float | str | None]


@dataclass(frozen=True, slots=True)
class Case:
    """A finished case: what was booked, when things happened (minutes from patient in room), how long it took."""

    schedule: CaseScheduled
    incision: float
    closing: float
    end: float
    minutes: float

    def features(self, elapsed: float | None) -> tuple[str, Values]:
        """Stage and features as they were known `elapsed` minutes into the stay, or an hour before it."""
        entered = self.schedule.start
        if elapsed is None:
            return "scheduled", record_features(
                self.schedule, CaseRecord(case=self.schedule.case), entered - timedelta(hours=1), CALENDAR
            )
        now = entered + timedelta(minutes=elapsed)
        happened = {
            Milestone.PATIENT_IN_ROOM: 0.0,
            Milestone.PROCEDURE_START: self.incision,
            Milestone.CLOSING: self.closing,
            Milestone.PROCEDURE_END: self.end,
        }
        known = {m: _recorded(m, entered + timedelta(minutes=at)) for m, at in happened.items() if at <= elapsed}
        record = CaseRecord(case=self.schedule.case, schedule=self.schedule, milestones=Map(known))
        return stage(record), record_features(self.schedule, record, now, CALENDAR)

    def landmarks(self, every: float, offset: float) -> Iterator[float]:
        """Moments of the stay, `every` so many minutes."""
        elapsed = offset * every
        while elapsed < self.minutes:
            yield elapsed
            elapsed += every


def draw_cases(count: int, seed: int, *, unknown: float = UNKNOWN) -> list[Case]:
    """So many cases; the same seed, the same cases."""
    rng = np.random.default_rng(seed)
    known = procedures()
    services = sorted({p.service for p in known})
    effects = np.random.default_rng(7).normal(0.0, 0.07, (len(services), SURGEONS))
    effects -= effects.mean(axis=1, keepdims=True)  # a service as a whole is what was published
    by_service = {s: [p for p in known if p.service == s] for s in services}
    return [_draw(rng, number, services, by_service, effects, unknown) for number in range(count)]


def _draw(
    rng: np.random.Generator,
    number: int,
    services: list[str],
    by_service: dict[str, list[Procedure]],
    effects: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
    unknown: float,
) -> Case:
    place = int(rng.choice(len(services), p=[SHARES[s] for s in services]))
    options = by_service[services[place]]
    weights = np.array([p.weight for p in options])
    procedure = options[int(rng.choice(len(options), p=weights / weights.sum()))]
    who = int(rng.integers(SURGEONS))
    asa = int(rng.choice([1, 2, 3, 4], p=[0.18, 0.47, 0.3, 0.05]))
    several = bool(rng.random() < 0.08)
    level = float(rng.uniform(TAIL, 1.0 - TAIL))
    known_person = bool(rng.random() >= unknown)
    effect = float(effects[place, who]) + 0.03 * (asa - 2) + (0.12 if several else 0.0)
    minutes = max(10.0, procedure.archetype.quantile(level) * math.exp(effect))
    usual = (procedure.archetype.quantile(0.5) + procedure.archetype.mean) / 2 * math.exp(0.5 * effect)
    booked = max(20, 5 * round(usual * math.exp(BOOKING_SPREAD * rng.standard_normal()) / 5))
    urgency = _URGENCIES[int(rng.choice(4, p=[0.86, 0.07, 0.05, 0.02]))]
    start = DAY + timedelta(days=number % 200, hours=7, minutes=5 * int(rng.integers(0, 108)))
    code = procedure.code if rng.random() >= unknown else f"other-{number}"
    schedule = CaseScheduled(
        id=f"drawn-{number}",
        suite="drawn",
        at=start - timedelta(days=1),
        case=f"drawn-{number}",
        version=1,
        service=procedure.service,
        procedures=tuple(Booked(code=code, text="") for _ in range(2 if several else 1)),
        surgeons=(Surgeon(id=f"{procedure.service}-{who}" if known_person else f"locum-{number}"),),
        room="1",
        start=start,
        booked=timedelta(minutes=booked),
        urgency=urgency,
        add_on=urgency is not Urgency.ELECTIVE,
        anaesthesia=procedure.anaesthesia,
        asa=asa if rng.random() >= 0.1 else None,
        age_band=f"{10 * int(rng.integers(2, 9))}+" if rng.random() >= 0.2 else None,
    )
    incision = min(0.25 * minutes, _step(rng, "Surgical Lead-in"))
    after = min(0.15 * minutes, _step(rng, "AN emergence"))
    closing = min(0.12 * minutes, float(rng.uniform(5.0, 14.0)))  # not in the published steps: our assumption
    end = minutes - after
    return Case(schedule, incision, end - closing, end, minutes)


def _step(rng: np.random.Generator, name: str) -> float:
    mu, sigma = steps()[name].lognormal()
    return float(math.exp(mu + min(sigma, 0.45) * rng.standard_normal()))


def _recorded(milestone: Milestone, at: datetime) -> Recorded:
    return Recorded(at=at, event=str(milestone), source=Source.EHR, confidence=1.0, recorded=at)
