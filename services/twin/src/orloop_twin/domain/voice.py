"""How the hospital says things: some seconds after they happened, as people type; perhaps wrong at first."""

from collections.abc import Sequence
from typing import Any, Literal

import simpy

from .cases import CaseRecord, Day
from .draws import Draws
from .feed import HospitalMessage, ManualReport, Observation, message_id
from .generator import MINUTE
from .scenario import Correction, Scenario, seconds
from .suite import CaseOfDay, Process

Said = HospitalMessage | ManualReport


class Voice:
    """Collects what is said; ids and delays follow from the seed and from what is said."""

    def __init__(self, env: simpy.Environment, day: Day, scenario: Scenario, draws: Draws) -> None:
        self._env, self._day, self._scenario, self._draws = env, day, scenario, draws
        self._said: list[Said] = []
        self._mistaken: set[int] = set()

    def heard(self) -> list[Said]:
        """What was said since the last look."""
        said, self._said = self._said, []
        return said

    def milestone(self, case: CaseOfDay, code: str, form: Literal["SIU", "ORU", "ADT"] = "SIU") -> None:
        """Say soon that it happened just now."""
        lag = int(self._draws.between(4, 40, case.record.id, code, "typing"))
        self._env.process(self._typed(case, code, form, int(self._env.now), lag))

    def _typed(self, case: CaseOfDay, code: str, form: str, happened: int, lag: int) -> Process:
        wrong = self._mistake(code, happened)
        yield self._env.timeout(lag)
        told = happened if wrong is None else happened + wrong.off_minutes * MINUTE
        trigger = {"SIU": "S14", "ORU": "R01", "ADT": "A02"}[form]
        found = (Observation("DTM", code, told),)
        location = "PACU" if form == "ADT" else ""
        self.message(case, form, trigger, (code, case.telling(code)), observations=found, location=location)
        if wrong is not None:
            yield self._env.timeout(wrong.corrected_after_minutes * MINUTE)
            found = (Observation("DTM", code, happened),)
            self.message(case, "SIU", "S14", (code, case.telling(code)), observations=found)

    def _mistake(self, code: str, happened: int) -> Correction | None:
        """The scripted slip that this milestone is to be, if any."""
        for number, plan in enumerate(self._scenario.corrections):
            if number not in self._mistaken and plan.milestone == code and happened >= seconds(plan.after):
                self._mistaken.add(number)
                return plan
        return None

    def schedule(self, case: CaseOfDay, trigger: str, *key: object, **more: Any) -> None:
        """Say how the case is booked, or that it is no more."""
        self.message(case, "SIU", trigger, key, **more)

    def message(self, case: CaseOfDay, form: str, trigger: str, key: Sequence[object], **more: Any) -> None:
        """Put it into the feed, with the booking that the feed has told last."""
        record: CaseRecord = case.record
        name = message_id("TW", *self._name(), record.id, trigger, *key)
        self._said.append(HospitalMessage(name, int(self._env.now), form, trigger, record, case.told, **more))

    def report(self, path: str, body: dict[str, Any]) -> None:
        """Enter it at the manual door."""
        now = int(self._env.now)
        self._said.append(ManualReport(message_id("R", *self._name(), path, now), now, path, body))

    def _name(self) -> tuple[object, ...]:
        return self._day.date, self._day.seed, self._scenario.name
