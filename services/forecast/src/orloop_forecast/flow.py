"""Features of a case in, its forecast out: one for each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from orloop_common.domain.derived import CaseFeatures, CaseForecast
from orloop_common.domain.digest import derived_id, digest
from orloop_common.messages import CASE_FORECASTS
from orloop_common.runtime.records import Output, Partition, Record

from .predicting import Predictor


@dataclass
class ForecastFlow:
    """What this service does. It remembers the newest features only to show what it stands on."""

    predictor: Predictor
    newest: dict[str, dict[str, CaseFeatures]] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)

    def fold(self, record: Record) -> None:
        """Keep the highest `as_of` of each case."""
        cases = self.newest.setdefault(record.suite, {})
        self.partitions[record.suite] = record.partition
        message = record.message
        if isinstance(message, CaseFeatures):
            held = cases.get(message.case)
            if held is None or message.as_of >= held.as_of:
                cases[message.case] = message
        elif message is None and record.key is not None:
            cases.pop(record.key.partition("/")[2], None)

    def outputs(self, record: Record) -> Iterator[Output]:
        """The forecast that stands on these features; a tombstone follows a tombstone."""
        message = record.message
        if message is None and record.key is not None:
            identity = derived_id("forecast-gone", record.id)
            yield Output(CASE_FORECASTS, record.key, record.suite, None, identity, record.id)
        if not isinstance(message, CaseFeatures):
            return
        predicted = self.predictor.predict(message.schema, message.stage, message.values)
        forecast = CaseForecast(
            suite=message.suite,
            as_of=message.as_of,
            at=message.at,
            case=message.case,
            stage=message.stage,
            model=predicted.model,
            duration=predicted.duration,
            remaining=predicted.remaining,
            low_confidence=predicted.low_confidence,
        )
        identity = derived_id("case-forecast", message.suite, message.case, str(message.as_of))
        key = f"{message.suite}/{message.case}"
        yield Output(CASE_FORECASTS, key, message.suite, forecast, identity, record.id, message.at)

    def idle(self) -> Iterable[Output]:
        """Nothing follows from the newest state alone."""
        return ()

    def revoked(self, partitions: Iterable[Partition]) -> None:
        """Another replica has these suites now."""
        gone = {number for _, number in partitions}
        for suite in [s for s, number in self.partitions.items() if number in gone]:
            del self.newest[suite], self.partitions[suite]

    def state(self) -> dict[str, Any]:
        """For `/state`: how many cases, the newest offset they stand on, and which model answers."""
        return {
            suite: {
                "digest": digest({case: [f.as_of, f.stage] for case, f in cases.items()}),
                "as_of": max((f.as_of for f in cases.values()), default=0),
                "cases": len(cases),
                "model": self.predictor.model,
            }
            for suite, cases in sorted(self.newest.items())
        }
