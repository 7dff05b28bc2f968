"""Reason codes that a person picks from when deciding against a recommendation."""

REJECT: tuple[tuple[str, str], ...] = (
    ("current_plan_better", "The plan as it is works better"),
    ("clinical_priority", "Clinical priority is different"),
    ("patient_not_ready", "A patient is not ready"),
    ("surgeon_unavailable", "A surgeon is not available"),
    ("staff_unavailable", "Staff is not available"),
    ("equipment_unavailable", "Equipment or implant is not available"),
    ("recovery_full", "Recovery cannot take it"),
    ("information_wrong", "What the board knows is wrong"),
    ("other", "Something else"),
)
OVERRIDE: tuple[tuple[str, str], ...] = tuple(code for code in REJECT if code[0] != "current_plan_better")
CODES = frozenset(code for code, _ in REJECT)
