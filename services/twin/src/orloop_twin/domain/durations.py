"""Published distributions of surgery duration, and what a hospital books for them.

`ARCHETYPES` are shifted lognormals, minutes = gamma + LogN(mu, sigma), six surgery types a specialty:
Leeftink and Hans (2018), Journal of Scheduling 21, 347-366, doi 10.1007/s10951-017-0539-8. Vascular
surgery is not among them: it borrows general surgery's, a stand-in. We read them as time in the room.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from .draws import Draws

_STANDARD = NormalDist()
_LOWEST, _HIGHEST = 0.03, 0.97  # tails beyond are not drawn: no 20-hour tonsillectomy in a demo


@dataclass(frozen=True, slots=True)
class Archetype:
    """One surgery type: minutes = `gamma` + LogN(`mu`, `sigma`)."""

    mu: float
    sigma: float
    gamma: float

    def quantile(self, probability: float) -> float:
        return self.gamma + math.exp(self.mu + self.sigma * _STANDARD.inv_cdf(probability))

    @property
    def mean(self) -> float:
        return self.gamma + math.exp(self.mu + self.sigma**2 / 2)


_GENERAL = (
    Archetype(4.012172857, 0.225746247, 0.0),
    Archetype(4.350849218, 0.730968513, 9.995941464),
    Archetype(4.350849218, 0.730968513, 9.995941464),
    Archetype(4.98242413, 0.522129511, 9.998655271),
    Archetype(4.98242413, 0.522129511, 9.998655271),
    Archetype(5.413303874, 0.224370526, 5.115645223),
)
ARCHETYPES: dict[str, tuple[Archetype, ...]] = {
    "general": _GENERAL,
    "vascular": _GENERAL,
    "ent": (
        Archetype(3.770117322, 0.332437531, 2.654521776),
        Archetype(3.193383228, 1.062027184, 29.9999),
        Archetype(4.572972744, 0.477803187, 0.0),
        Archetype(4.484873283, 0.769315436, 9.996371142),
        Archetype(5.023837511, 0.565451677, 9.99862198),
        Archetype(4.907150047, 0.85102541, 9.997355164),
    ),
    "eye": (
        Archetype(3.485296772, 0.37476991, 5.66728102),
        Archetype(3.249110331, 0.571881296, 14.9999),
        Archetype(2.98669362, 0.890549648, 28.58839843),
        Archetype(3.571146117, 0.646390639, 24.9999),
        Archetype(4.342605759, 0.452856797, 0.0),
        Archetype(3.832255719, 0.542846439, 42.98320571),
    ),
    "gynaecology": (
        Archetype(3.844094746, 0.328493275, 5.376779167),
        Archetype(4.136559865, 0.690021972, 9.995090886),
        Archetype(4.136559865, 0.690021972, 9.995090886),
        Archetype(4.136559865, 0.690021972, 9.995090886),
        Archetype(4.136559865, 0.690021972, 9.995090886),
        Archetype(4.151856705, 0.626122961, 45.9999),
    ),
    "orthopaedics": (
        Archetype(2.600263906, 0.568653909, 23.99766572),
        Archetype(3.789568669, 0.379285205, 0.0),
        Archetype(3.468320409, 0.60914183, 28.9999),
        Archetype(3.792479434, 0.312595743, 43.9999),
        Archetype(3.422189212, 0.479493947, 64.97134149),
        Archetype(4.021792902, 0.456114391, 102.9975133),
    ),
    "plastic": (
        Archetype(3.484291429, 0.463327082, 2.729712661),
        Archetype(3.484291429, 0.463327082, 2.729712661),
        Archetype(3.484291429, 0.463327082, 2.729712661),
        Archetype(3.706390911, 0.544191968, 35.9999),
        Archetype(4.600809381, 0.522891594, 0.0),
        Archetype(3.830541588, 1.041905597, 96.9999),
    ),
    "urology": (
        Archetype(3.535375437, 0.336187744, 0.0),
        Archetype(3.466075601, 0.659585526, 9.989115873),
        Archetype(3.956866171, 0.222067648, 5.438123056),
        Archetype(4.129063261, 0.177422244, 5.54069714),
        Archetype(2.863509335, 1.140191733, 38.99581711),
        Archetype(4.907187672, 0.158995627, 5.186048079),
    ),
}


def true_minutes(archetype: Archetype, draws: Draws, case: str) -> float:
    """How long the patient really stays in the room."""
    return archetype.quantile(min(_HIGHEST, max(_LOWEST, draws.uniform(case, "true duration"))))


def booked_minutes(archetype: Archetype, draws: Draws, case: str) -> int:
    """What the hospital books: between median and mean, a surgeon's habit on top, in steps of five."""
    usual = (archetype.quantile(0.5) + archetype.mean) / 2
    return max(20, 5 * round(usual * draws.lognormal(0.24, case, "booked") / 5))
