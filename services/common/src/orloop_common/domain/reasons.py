"""Why people decide otherwise: the reason codes of a rejection or an override, in words."""

REASONS: dict[str, str] = {
    "current_plan_better": "The plan as it is works better",
    "clinical_priority": "Clinical priority is different",
    "patient_not_ready": "A patient is not ready",
    "surgeon_unavailable": "A surgeon is not available",
    "staff_unavailable": "Staff is not available",
    "equipment_unavailable": "Equipment or implant is not available",
    "recovery_full": "Recovery cannot take it",
    "information_wrong": "What the board knows is wrong",
    "other": "Something else",
}
"""Code to words; `other` wants a free text. `current_plan_better` is no reason for an override."""


def reason_problem(code: str, text: str) -> str | None:
    """What is wrong with a reason, or None."""
    if code not in REASONS:
        return f"Expected one of the reason codes {', '.join(REASONS)}, got {code!r}."
    if code == "other" and not text.strip():
        return "Expected a few words with the reason code 'other', got none."
    return None
