"""The default profile: which field holds what, and the words that this door understands.

The table for people is in README.md. Room, service, source and milestone names come from the site file.
"""

from orloop_common.domain.vocabulary import BedUnit, Urgency

BOOKED = frozenset({"S12", "S13", "S14"})
CANCELLED = frozenset({"S15", "S16"})
ENTERED_IN_ERROR = frozenset({"S17"})
NO_SHOW = frozenset({"S26"})
SIU = BOOKED | CANCELLED | ENTERED_IN_ERROR | NO_SHOW
MOVED = "A02"
UPDATED = "A08"

URGENCIES = {"4": Urgency.ELECTIVE, "3": Urgency.EXPEDITED, "2": Urgency.URGENT, "1": Urgency.IMMEDIATE}
PATIENT_CLASSES = {"I": "inpatient", "O": "outpatient", "E": "emergency", "P": "preadmit"}
ROLES = {"SURGEON": "surgeon", "ANAESTHETIST": "anaesthetist", "ASSISTANT": "assistant"}
BEDS: dict[str, BedUnit | None] = {
    "pacu": BedUnit.PACU,
    "icu": BedUnit.ICU,
    "ward": BedUnit.WARD,
    "none": None,
}
ANAESTHESIA = frozenset(
    {"general", "regional", "spinal", "epidural", "combined", "sedation", "local", "topical", "none"}
)
READY_PREFIX = "READY_"

# OBX-3.1 -> field of CaseScheduled, read by `schedule`; all else is a milestone, readiness, or not for us.
TIMES = {"WAITING_SINCE": "waiting_since", "LATEST_START": "latest", "EARLIEST_START": "earliest"}
MINUTES = {"SETUP_MIN": "setup", "CLEANUP_MIN": "cleanup", "PACU_MIN": "recovery"}
ATTRIBUTES = frozenset({*TIMES, *MINUTES, "ASA", "ANAESTHESIA", "BED_NEED"})
