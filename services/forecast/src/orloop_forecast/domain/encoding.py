"""Shrunk means of the log duration: service, then procedure, then surgeon, each pulled towards the level above."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orloop_common.domain.features import FeatureValues

SHRINK = {"service": 20.0, "procedure": 5.0, "surgeon": 10.0, "pair": 4.0}
"""How many cases of its own a level needs to weigh as much as the level above."""

LEAST = 3
"""Cases below which a procedure, a surgeon or a pair is not remembered."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the history says of such a case: the mean of its log minutes, its spread, cases of the procedure seen."""

    mean: float
    spread: float
    seen: float
    service_known: bool


@dataclass(slots=True)
class Encoder:
    """Fitted on (features, minutes) of finished cases; a level that was never seen leaves the one above."""

    overall: float = math.log(90.0)
    overall_spread: float = 0.4
    services: dict[str, float] = field(default_factory=dict)
    procedures: dict[str, tuple[float, float, float]] = field(default_factory=dict)  # mean, spread, n
    surgeons: dict[str, float] = field(default_factory=dict)
    pairs: dict[str, float] = field(default_factory=dict)

    def encode(self, values: FeatureValues) -> Encoded:
        """Look a case up."""
        service, procedure, surgeon = _words(values)
        base = self.services.get(service, self.overall)
        mean, spread, seen = self.procedures.get(procedure, (base, self.overall_spread, 0.0))
        mean += self.surgeons.get(surgeon, 0.0) + self.pairs.get(f"{surgeon}|{procedure}", 0.0)
        return Encoded(mean, spread, seen, service in self.services)

    @classmethod
    def fit(cls, cases: Iterable[tuple[FeatureValues, float]]) -> "Encoder":
        """Learn from finished cases; the order of cases does not matter."""
        rows = [(*_words(values), math.log(minutes)) for values, minutes in cases]
        overall = _mean([y for *_, y in rows])
        services = _shrunk(((s, y) for s, _, _, y in rows), "service", lambda _: overall)
        by_procedure: dict[str, list[float]] = defaultdict(list)
        above: dict[str, float] = {}
        for service, procedure, _, y in rows:
            by_procedure[procedure].append(y)
            above[procedure] = services[service]
        overall_spread = _mean([abs(y - services[s]) for s, _, _, y in rows])
        k = SHRINK["procedure"]
        procedures = {}
        for name, ys in sorted(by_procedure.items()):
            mean = (sum(ys) + k * above[name]) / (len(ys) + k)
            spread = (sum(abs(y - mean) for y in ys) + k * overall_spread) / (len(ys) + k)
            procedures[name] = (mean, spread, float(len(ys)))
        left = [(u, p, y - procedures[p][0]) for _, p, u, y in rows]
        surgeons = _shrunk(((u, r) for u, _, r in left), "surgeon", lambda _: 0.0)
        pairs = _shrunk(((f"{u}|{p}", r - surgeons[u]) for u, p, r in left), "pair", lambda _: 0.0)
        often = Counter(p for _, p, _, _ in rows) + Counter(u for _, _, u, _ in rows)
        often += Counter(f"{u}|{p}" for _, p, u, _ in rows)
        kept = [{k: v for k, v in level.items() if often[k] >= LEAST} for level in (procedures, surgeons, pairs)]
        return cls(overall, overall_spread, services, *kept)  # type: ignore[arg-type]

    def to_plain(self) -> dict[str, Any]:
        """For JSON, to six digits."""
        return {
            "overall": round(self.overall, 6),
            "overall_spread": round(self.overall_spread, 6),
            "services": _rounded(self.services),
            "procedures": {k: [round(x, 6) for x in v] for k, v in sorted(self.procedures.items())},
            "surgeons": _rounded(self.surgeons),
            "pairs": _rounded(self.pairs),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Encoder":
        """What `to_plain` made."""
        return cls(
            float(plain["overall"]),
            float(plain["overall_spread"]),
            dict(plain["services"]),
            {k: (float(v[0]), float(v[1]), float(v[2])) for k, v in plain["procedures"].items()},
            dict(plain["surgeons"]),
            dict(plain["pairs"]),
        )


def _words(values: FeatureValues) -> tuple[str, str, str]:
    service = str(values.get("service") or "")
    return service, f"{service}|{values.get('procedure') or ''}", str(values.get("surgeon") or "")


def _mean(ys: list[float]) -> float:
    return sum(ys) / len(ys)


def _shrunk(pairs: Iterable[tuple[str, float]], level: str, above: Any) -> dict[str, float]:
    groups: dict[str, list[float]] = defaultdict(list)
    for name, y in pairs:
        groups[name].append(y)
    k = SHRINK[level]
    return {name: (sum(ys) + k * above(name)) / (len(ys) + k) for name, ys in sorted(groups.items())}


def _rounded(levels: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in sorted(levels.items())}
