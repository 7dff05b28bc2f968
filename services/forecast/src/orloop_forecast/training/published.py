"""The published numbers that training cases are drawn from (sources in NOTICE)."""

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import NormalDist

_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Archetype:
    """A surgery type, minutes = gamma + LogN(mu, sigma): Leeftink and Hans (2018), doi 10.1007/s10951-017-0539-8."""

    mu: float
    sigma: float
    gamma: float

    def quantile(self, level: float) -> float:
        return self.gamma + math.exp(self.mu + self.sigma * _STANDARD.inv_cdf(level))

    @property
    def mean(self) -> float:
        return self.gamma + math.exp(self.mu + self.sigma**2 / 2)


@dataclass(frozen=True, slots=True)
class Procedure:
    """A code for a surgery type of a service; our own naming, so that a hospital's usual words are known."""

    service: str
    code: str
    weight: float
    anaesthesia: str
    archetype: Archetype


@dataclass(frozen=True, slots=True)
class Step:
    """Mean and standard deviation of a process step in minutes, pooled over codes by case mix:
    German OR benchmark, doi 10.1007/s10729-024-09672-9."""

    mean: float
    sd: float

    def lognormal(self) -> tuple[float, float]:
        """Parameters of the lognormal with this mean and spread."""
        variance = math.log(1 + (self.sd / self.mean) ** 2)
        return math.log(self.mean) - variance / 2, math.sqrt(variance)


@cache
def procedures() -> tuple[Procedure, ...]:
    """Every procedure of every service; a service without a list of its own has numbered ones."""
    archetypes = {(r["service"], r["slot"]): _archetype(r) for r in _rows("archetypes.csv")}
    borrowed = {"vascular": "general"}  # not among the published specialties
    named = [
        Procedure(r["service"], r["code"], float(r["weight"]), r["anaesthesia"], archetypes[source, r["slot"]])
        for r in _rows("procedures.csv")
        if (source := borrowed.get(r["service"], r["service"]))
    ]
    listed = {p.service for p in named}
    numbered = [
        Procedure(service, f"{service}-{slot}", 1.0, "general", archetype)
        for (service, slot), archetype in archetypes.items()
        if service not in listed
    ]
    return (*named, *numbered)


@cache
def steps() -> dict[str, Step]:
    """Process steps by their published name."""
    return {r["step"]: Step(float(r["mean"]), float(r["sd"])) for r in _rows("process_steps.csv")}


def _archetype(row: dict[str, str]) -> Archetype:
    return Archetype(float(row["mu"]), float(row["sigma"]), float(row["gamma"]))


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("orloop_forecast") / "data" / name).read_text()
    return list(csv.DictReader(text.splitlines()))
