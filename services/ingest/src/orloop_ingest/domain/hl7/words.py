"""HL7's own words and the default profile's: triggers, status codes, OBX codes."""

from orloop_common.domain.vocabulary import BedUnit, Urgency
from orloop_ingest.domain.told import Act

ACTS = {
    "S12": Act.BOOKED,
    "S13": Act.BOOKED,
    "S14": Act.BOOKED,
    "S15": Act.CANCELLED,
    "S16": Act.CANCELLED,
    "S17": Act.ENTERED_IN_ERROR,
    "S26": Act.NO_SHOW,
}
"""What a trigger event declares (v2.5.1 section 10.4); S18 to S22 change one resource and declare nothing."""
RESOURCE_TRIGGERS = {"S18": "A", "S19": "U", "S20": "D", "S21": "D", "S22": "D"}
"""Triggers about single resources, and what they do to a resource without an action code."""
SLOT_TRIGGERS = frozenset({"S23", "S24"})

STATUS_WORDS = {
    "booked": Act.BOOKED,
    "pending": Act.BOOKED,
    "confirmed": Act.BOOKED,
    "started": Act.BOOKED,
    "complete": Act.BOOKED,
    "completed": Act.BOOKED,
    "overbook": Act.BOOKED,
    "dc": Act.CANCELLED,
    "discontinued": Act.CANCELLED,
    "cancelled": Act.CANCELLED,
    "canceled": Act.CANCELLED,
    "deleted": Act.ENTERED_IN_ERROR,
    "noshow": Act.NO_SHOW,
}
"""Table 0278 in lower case."""
GONE = frozenset({"cancelled", "canceled", "deleted", "discontinued", "dc"})

URGENCIES = {"4": Urgency.ELECTIVE, "3": Urgency.EXPEDITED, "2": Urgency.URGENT, "1": Urgency.IMMEDIATE}
PATIENT_CLASSES = {"I": "inpatient", "O": "outpatient", "E": "emergency", "P": "preadmit"}
ROLES = {"SURGEON": "surgeon", "ANAESTHETIST": "anaesthetist", "ASSISTANT": "assistant"}
BEDS: dict[str, BedUnit | None] = {"pacu": BedUnit.PACU, "icu": BedUnit.ICU, "ward": BedUnit.WARD, "none": None}
ANAESTHESIA = {
    word: word
    for word in ("general", "regional", "spinal", "epidural", "combined", "sedation", "local", "topical", "none")
}
BED_STATES = frozenset("UOHKIC")
"""Table 0116: unoccupied, occupied, housekeeping, contaminated, isolated, closed."""
READY_PREFIX = "READY_"
