"""The people of the day: patients with names that occur nowhere else, and the suite's surgeons.

Patients' surnames are canaries: tests search logs, topics, files and metrics for them, since none
may ever appear past ingest.
"""

from dataclasses import dataclass

from .draws import Draws

CANARIES: tuple[str, ...] = tuple(
    "Zzyx" + ending
    for ending in (
        "aberg", "andros", "auer", "bauer", "berg", "bright", "croft", "dahl", "dorn", "elmi", "feld", "field",
        "fors", "grove", "haim", "hart", "holm", "ivic", "jansen", "kamp", "kowa", "lund", "maier", "mond",
        "moreau", "nagy", "nova", "okoro", "olsen", "pauli", "quist", "rossi", "sand", "silva", "stein",
        "tanaka", "thorn", "ulmer", "varga", "vik", "wang", "weil", "wood", "yilmaz", "zander",
    )
)  # fmt: skip
"""Surnames of the twin's patients; each starts with `Zzyx`."""

CANARY_MRN = "ZXM"
"""Every medical record number of the twin starts so."""

_FEMALE = ("Ada", "Berta", "Clara", "Dora", "Elif", "Frida", "Greta", "Hana", "Ines", "Jana", "Lena", "Mira")
_MALE = ("Anton", "Boris", "Carl", "David", "Emil", "Felix", "Georg", "Hugo", "Ivan", "Jonas", "Leo", "Max")


@dataclass(frozen=True, slots=True)
class Patient:
    """Who lies on the table; leaves the twin in PID alone."""

    mrn: str
    family: str
    given: str
    born: str
    sex: str
    asa: int


def draw_patient(draws: Draws, case: str, number: int, year: int) -> Patient:
    """The patient of the day's `number`-th case."""
    sex = draws.choice(("F", "M"), case, "sex")
    given = draws.choice(_FEMALE if sex == "F" else _MALE, case, "given")
    age = int(min(93, max(18, 56 + 17 * draws.normal(case, "age"))))
    month, day = 1 + int(12 * draws.uniform(case, "month")), 1 + int(28 * draws.uniform(case, "day"))
    odds = (0.25, 0.5, 0.25, 0.0) if age < 50 else (0.05, 0.45, 0.45, 0.05)
    return Patient(
        mrn=f"{CANARY_MRN}{int(1e7 * draws.uniform(case, 'mrn')):07d}",
        family=CANARIES[(number + draws.seed) % len(CANARIES)],
        given=given,
        born=f"{year - age - 1}{month:02d}{day:02d}",
        sex=sex,
        asa=draws.weighted((1, 2, 3, 4), odds, case, "asa"),
    )


@dataclass(frozen=True, slots=True)
class Surgeon:
    """A surgeon of the house."""

    id: str
    family: str
    given: str


SURGEONS: dict[str, tuple[Surgeon, ...]] = {
    "orthopaedics": (
        Surgeon("S011", "Okafor", "Ngozi"),
        Surgeon("S012", "Lindqvist", "Sven"),
        Surgeon("S013", "Reyes", "Marta"),
        Surgeon("S014", "Brandt", "Uwe"),
        Surgeon("S015", "Duarte", "Ines"),
        Surgeon("S016", "Kovacs", "Bela"),
        Surgeon("S017", "Mbeki", "Thandi"),
        Surgeon("S018", "Winter", "Ralf"),
    ),
    "general": (
        Surgeon("S021", "Petrov", "Ilja"),
        Surgeon("S022", "Bauer", "Heike"),
        Surgeon("S023", "Nakamura", "Ken"),
        Surgeon("S024", "Castillo", "Rosa"),
        Surgeon("S025", "Holmberg", "Nils"),
        Surgeon("S026", "Rahman", "Sadia"),
        Surgeon("S027", "Dubois", "Alain"),
        Surgeon("S028", "Keller", "Jutta"),
    ),
    "urology": (
        Surgeon("S031", "Marino", "Paolo"),
        Surgeon("S032", "Haddad", "Leila"),
        Surgeon("S033", "Conti", "Elena"),
        Surgeon("S034", "Berger", "Max"),
    ),
    "gynaecology": (
        Surgeon("S041", "Osei", "Abena"),
        Surgeon("S042", "Vogel", "Anke"),
        Surgeon("S043", "Tanaka", "Yumi"),
        Surgeon("S044", "Moreau", "Julie"),
    ),
    "ent": (
        Surgeon("S051", "Kim", "Jisoo"),
        Surgeon("S052", "Adeyemi", "Tunde"),
        Surgeon("S053", "Larsen", "Mette"),
        Surgeon("S054", "Costa", "Rui"),
    ),
    "eye": (
        Surgeon("S061", "Laurent", "Claire"),
        Surgeon("S062", "Singh", "Arjun"),
        Surgeon("S063", "Fischer", "Lea"),
        Surgeon("S064", "Romero", "Pablo"),
    ),
    "plastic": (
        Surgeon("S071", "Ferrari", "Luca"),
        Surgeon("S072", "Novak", "Petra"),
        Surgeon("S073", "Yilmaz", "Deniz"),
        Surgeon("S074", "Olsen", "Kari"),
    ),
    "vascular": (
        Surgeon("S081", "Eriksen", "Tor"),
        Surgeon("S082", "Weiss", "Ruth"),
        Surgeon("S083", "Santos", "Joao"),
        Surgeon("S084", "Bergman", "Eva"),
    ),
}
