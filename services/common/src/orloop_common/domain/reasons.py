"""Why people decide otherwise: the reason codes of a rejection or an override, in words."""

REASONS: dict[str, str] = {
    "patient_condition": "The patient's condition speaks against it.",
    "surgeon_availability": "The surgeon is not available as assumed.",
    "staffing": "The staffing is not as assumed.",
    "equipment": "Equipment or an implant is not where it would be needed.",
    "room_unsuitable": "The room does not suit this case.",
    "bed_situation": "The beds after surgery are not as assumed.",
    "too_disruptive": "It moves more than it is worth.",
    "fairness": "It burdens the same people again.",
    "already_solved": "It was already settled among the people concerned.",
    "better_idea": "A better way was agreed on.",
    "other": "Something else; the free text says what.",
}
"""Code to sentence; `other` wants a free text."""


def reason_problem(code: str, text: str) -> str | None:
    """What is wrong with a reason, or None."""
    if code not in REASONS:
        return f"Expected one of the reason codes {', '.join(REASONS)}, got {code!r}."
    if code == "other" and not text.strip():
        return "Expected a few words with the reason code 'other', got none."
    return None
