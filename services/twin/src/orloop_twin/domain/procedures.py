"""What each service does: a procedure for each of its published surgery types."""

from dataclasses import dataclass

from .durations import ARCHETYPES, Archetype


@dataclass(frozen=True, slots=True)
class Procedure:
    """One kind of operation: code (OPS), its surgery type's `slot`, how often, and what it needs."""

    code: str
    text: str
    service: str
    slot: int
    weight: float
    anaesthesia: str = "general"
    bed: str = "pacu"
    recovery: int = 60
    cleanup: int = 20
    setup: int = 15
    equipment: tuple[tuple[str, str], ...] = ()

    @property
    def archetype(self) -> Archetype:
        return ARCHETYPES[self.service][self.slot]


_TOWER = (("LAPTOWER", "Laparoscopy tower"),)
_CARM = (("CARM", "Mobile C-arm"),)
_LAMINAR = (("LAMINAR", "Laminar air flow"),)
_SCOPE = (("MICROSCOPE", "Operating microscope"),)


def _service(
    name: str, recovery: int, cleanup: int, rows: tuple[tuple[str, str, float, dict[str, object]], ...]
) -> tuple[Procedure, ...]:
    made = []
    for slot, (code, text, weight, extra) in enumerate(rows):
        fields: dict[str, object] = {"recovery": recovery, "cleanup": cleanup} | extra
        made.append(Procedure(code, text, name, slot, weight, **fields))  # type: ignore[arg-type]
    return tuple(made)


_LOCAL: dict[str, object] = {"anaesthesia": "local", "bed": "none", "recovery": 0}
_SPINAL: dict[str, object] = {"anaesthesia": "spinal"}

PROCEDURES: dict[str, tuple[Procedure, ...]] = {
    "orthopaedics": _service("orthopaedics", 70, 25, (
        ("5-787", "Removal of osteosynthesis material", 1.0, {}),
        ("5-812", "Knee arthroscopy", 2.0, _SPINAL),
        ("5-794", "Ankle fixation", 1.5, {"equipment": _CARM}),
        ("5-814", "Shoulder arthroscopy", 1.5, {}),
        ("5-820", "Hip replacement", 2.0, _SPINAL | {"setup": 20, "recovery": 90, "equipment": _LAMINAR}),
        ("5-822", "Knee replacement", 1.0, _SPINAL | {"setup": 20, "recovery": 90, "equipment": _LAMINAR}),
    )),
    "general": _service("general", 75, 20, (
        ("5-530", "Inguinal hernia repair", 2.0, {}),
        ("5-511", "Cholecystectomy", 2.5, {"equipment": _TOWER}),
        ("5-470", "Appendicectomy", 0.6, {"equipment": _TOWER}),
        ("5-536", "Incisional hernia repair", 0.7, {}),
        ("5-455", "Hemicolectomy", 0.7, {"recovery": 120, "setup": 20, "cleanup": 30}),
        ("5-502", "Liver resection", 0.2, {"bed": "icu", "recovery": 0, "setup": 25, "cleanup": 35}),
    )),
    "urology": _service("urology", 60, 20, (
        ("1-661", "Cystoscopy", 1.5, {"anaesthesia": "sedation", "recovery": 30}),
        ("5-573", "Bladder tumour resection", 2.0, _SPINAL),
        ("5-562", "Ureteroscopy", 2.0, {"equipment": _CARM}),
        ("5-601", "Prostate resection", 2.0, _SPINAL),
        ("5-640", "Hydrocele repair", 0.7, {}),
        ("5-554", "Nephrectomy", 1.0, {"equipment": _TOWER, "recovery": 100, "setup": 20}),
    )),
    "gynaecology": _service("gynaecology", 65, 20, (
        ("1-672", "Hysteroscopy", 1.5, {"recovery": 40}),
        ("5-651", "Ovarian cyst removal", 1.5, {"equipment": _TOWER}),
        ("5-681", "Fibroid removal", 1.0, {"equipment": _TOWER}),
        ("5-690", "Diagnostic laparoscopy", 1.0, {"equipment": _TOWER}),
        ("5-704", "Pelvic floor repair", 1.0, {}),
        ("5-683", "Hysterectomy", 1.5, {"recovery": 90}),
    )),
    "ent": _service("ent", 55, 15, (
        ("5-281", "Tonsillectomy", 2.0, {}),
        ("5-214", "Septoplasty", 2.0, {}),
        ("5-224", "Sinus surgery", 1.5, {}),
        ("5-061", "Thyroid lobectomy", 0.8, {}),
        ("5-262", "Parotidectomy", 0.6, {"equipment": _SCOPE}),
        ("5-195", "Tympanoplasty", 0.5, {"equipment": _SCOPE}),
    )),
    "eye": _service("eye", 25, 10, (
        ("5-144", "Cataract extraction", 3.0, _LOCAL | {"equipment": _SCOPE}),
        ("5-091", "Eyelid correction", 1.0, _LOCAL),
        ("5-10k", "Squint correction", 1.0, {}),
        ("5-131", "Glaucoma surgery", 1.0, {"equipment": _SCOPE}),
        ("5-158", "Vitrectomy", 1.5, {"equipment": _SCOPE}),
        ("5-125", "Corneal transplant", 0.7, {"equipment": _SCOPE}),
    )),
    "plastic": _service("plastic", 60, 20, (
        ("5-894", "Skin lesion excision", 1.0, _LOCAL),
        ("5-902", "Skin graft", 1.0, {}),
        ("5-905", "Local flap", 1.0, {}),
        ("5-844", "Hand surgery", 1.0, {"anaesthesia": "regional"}),
        ("5-870", "Breast reduction", 0.8, {}),
        ("5-858", "Free flap", 0.2, {"equipment": _SCOPE, "recovery": 120}),
    )),
    "vascular": _service("vascular", 85, 20, (
        ("5-385", "Varicose vein surgery", 2.0, _SPINAL),
        ("5-392", "Dialysis shunt", 2.0, {"anaesthesia": "regional"}),
        ("5-380", "Thrombectomy", 1.0, {"equipment": _CARM}),
        ("5-381", "Carotid endarterectomy", 1.0, {"recovery": 120}),
        ("5-393", "Femoral bypass", 0.8, {"recovery": 120}),
        ("5-384", "Aortic repair", 0.2, {"bed": "icu", "recovery": 0, "setup": 25}),
    )),
}  # fmt: skip


def procedure(service: str, code: str) -> Procedure:
    """The procedure of `service` with this code."""
    for candidate in PROCEDURES[service]:
        if candidate.code == code:
            return candidate
    known = ", ".join(p.code for p in PROCEDURES[service])
    raise ValueError(f"Expected a procedure of {service}, got {code!r}.\nMaybe one of {known}.")
