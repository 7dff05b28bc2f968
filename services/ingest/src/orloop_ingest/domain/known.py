"""What is known before a message is mapped: the suite's day, and the senders' ids of its cases."""

from dataclasses import dataclass

from immutables import Map

from orloop_common.domain.records import CaseRecord
from orloop_common.domain.suite_day import SuiteDay
from orloop_common.messages.identity import SenderIdentity


@dataclass(frozen=True, slots=True)
class Identities:
    """Senders' ids by case, and cases by visit: rebuilt from the case-identity topic at start."""

    by_case: Map[str, SenderIdentity] = Map()
    by_visit: Map[tuple[str, str], frozenset[str]] = Map()

    def with_identity(self, case: str, identity: SenderIdentity) -> "Identities":
        """The index with the newest word on one case."""
        held = self.by_case.get(case)
        if held == identity:
            return self
        visits = self.by_visit
        if held is not None and held.visit and held.visit != identity.visit:
            old = (held.source, held.visit)
            visits = visits.set(old, visits.get(old, frozenset()) - {case})
        if identity.visit:
            key = (identity.source, identity.visit)
            visits = visits.set(key, visits.get(key, frozenset()) | {case})
        return Identities(self.by_case.set(case, identity), visits)

    def cases_of(self, source: str, visit: str) -> frozenset[str]:
        """The cases of one visit."""
        return self.by_visit.get((source, visit), frozenset())


@dataclass(frozen=True, slots=True)
class Known:
    """Lookups of the mapping; a value, so that a mapping is a function of it."""

    day: SuiteDay
    identities: Identities

    def case(self, case: str) -> CaseRecord:
        return self.day.cases.get(case) or CaseRecord(case=case)
