"""The closed word lists of GLOSSARY: milestones, room states, modes, decisions."""

from enum import StrEnum


class Milestone(StrEnum):
    """Milestones in their usual order; some overlap, sites differ, none may be assumed present."""

    PATIENT_IN_FACILITY = "patient_in_facility"
    PATIENT_IN_PREOP = "patient_in_preop"
    ROOM_SETUP_START = "room_setup_start"
    ROOM_READY = "room_ready"
    ANAESTHESIA_START = "anaesthesia_start"
    PATIENT_IN_ROOM = "patient_in_room"
    ANAESTHESIA_INDUCTION = "anaesthesia_induction"
    ANAESTHESIA_READY = "anaesthesia_ready"
    PROCEDURE_START = "procedure_start"
    CLOSING = "closing"
    PROCEDURE_END = "procedure_end"
    PATIENT_OUT_OF_ROOM = "patient_out_of_room"
    CLEANUP_START = "cleanup_start"
    CLEANUP_END = "cleanup_end"
    PACU_IN = "pacu_in"
    ANAESTHESIA_END = "anaesthesia_end"
    PACU_READY = "pacu_ready"
    PACU_OUT = "pacu_out"


class RoomState(StrEnum):
    """What a room is in; turnover is the interval between two patients, not a state."""

    CLOSED = "closed"
    IDLE = "idle"
    SETUP = "setup"
    OCCUPIED_PREPARATION = "occupied_preparation"
    PROCEDURE = "procedure"
    OCCUPIED_EMERGENCE = "occupied_emergence"
    CLEANING = "cleaning"
    DOWN = "down"


class Source(StrEnum):
    """Who saw it."""

    EHR = "ehr"
    CAMERA = "camera"
    MANUAL = "manual"


class ReadinessItem(StrEnum):
    """What a patient needs before the room."""

    CONSENT = "consent"
    SITE_MARKING = "site_marking"
    FASTING = "fasting"
    ANAESTHESIA_EVALUATION = "anaesthesia_evaluation"
    CLEARANCE = "clearance"
    TESTS = "tests"
    TRANSPORT = "transport"


class ReadinessStatus(StrEnum):
    """Where one readiness item stands."""

    OUTSTANDING = "outstanding"
    DONE = "done"
    WAIVED = "waived"


class Urgency(StrEnum):
    """NCEPOD classes, least urgent first; each has a target wait in the site profile."""

    ELECTIVE = "elective"
    EXPEDITED = "expedited"
    URGENT = "urgent"
    IMMEDIATE = "immediate"


class BedUnit(StrEnum):
    """Where a patient goes after the room."""

    PACU = "pacu"
    ICU = "icu"
    WARD = "ward"


class Mode(StrEnum):
    """How far the gate lets a proposal go."""

    SHADOW = "shadow"
    ADVISORY = "advisory"
    AUTO = "auto"
    FROZEN = "frozen"


class Verdict(StrEnum):
    """What was decided of a proposal."""

    APPROVED = "approved"
    REJECTED = "rejected"
    OVERRIDDEN = "overridden"
    WITHHELD = "withheld"
    EXPIRED = "expired"


class ChangeAnswer(StrEnum):
    """What the hospital's system answered to one written-back change."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"  # no answer after all tries
    UNCONFIRMED = "unconfirmed"  # accepted, but its own feed did not show it in time


class CauseClass(StrEnum):
    """Where a stop condition comes from."""

    DATA = "data"
    MODEL = "model"
    PROCESS = "process"
    DOWNSTREAM = "downstream"
