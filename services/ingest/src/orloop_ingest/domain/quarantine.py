"""Why a message was not applied: a closed list of reasons, each with a sentence for a person."""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of quarantine; the value is a metric's label, `sentence` goes to people."""

    BROKEN_FRAME = "broken_frame"
    TOO_LONG = "too_long"
    BAD_HEADER = "bad_header"
    UNKNOWN_SOURCE = "unknown_source"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_BODY = "wrong_body"
    UNREADABLE_CHARACTERS = "unreadable_characters"
    FIELD_TOO_LONG = "field_too_long"
    NO_CASE_ID = "no_case_id"
    NO_START = "no_start"
    BAD_TIME = "bad_time"
    BAD_LENGTH = "bad_length"
    BAD_VERSION = "bad_version"
    UNKNOWN_ROOM = "unknown_room"
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_PRIORITY = "unknown_priority"
    UNKNOWN_CODE = "unknown_code"
    FUTURE_MILESTONE = "future_milestone"
    UNKNOWN_VISIT = "unknown_visit"
    AMBIGUOUS_VISIT = "ambiguous_visit"
    MOVE_WITHDRAWN = "move_withdrawn"
    PATIENTS_UNLINKED = "patients_unlinked"
    SAME_VERSION_DIFFERS = "same_version_differs"
    MERGE_CYCLE = "merge_cycle"
    PARTED_BY_HAND = "parted_by_hand"
    LONG_PAST = "long_past"
    LATER_RELEASE = "later_release"
    DELETED = "deleted"
    MAPPER_FAILED = "mapper_failed"

    @property
    def sentence(self) -> str:
        """What happened, in plain words and without a field's value."""
        return _SENTENCES[self]


_SENTENCES: dict[Reason, str] = {
    Reason.BROKEN_FRAME: "The sender broke the MLLP framing, so where the message ends is not certain.",
    Reason.TOO_LONG: "The message is longer than this door accepts.",
    Reason.BAD_HEADER: "The message header cannot be used.",
    Reason.UNKNOWN_SOURCE: "The sending application (MSH-3) is not in the site file.",
    Reason.UNKNOWN_TYPE: "The profile does not read this message type.",
    Reason.WRONG_BODY: "The message does not hold the segments that its type needs, or holds them twice.",
    Reason.UNREADABLE_CHARACTERS: "The bytes do not fit the character set that MSH-18 names.",
    Reason.FIELD_TOO_LONG: "A field is longer than any such field can be.",
    Reason.NO_CASE_ID: "None of the fields that may hold the case id is filled.",
    Reason.NO_START: "A case that is new here came without a start time.",
    Reason.BAD_TIME: "A time cannot be read, does not exist on that day's clock, or is not precise enough.",
    Reason.BAD_LENGTH: "A length cannot be read, or the end is not after the start.",
    Reason.BAD_VERSION: "The schedule's version is not V and a number.",
    Reason.UNKNOWN_ROOM: "The room is not in the site file's alias table.",
    Reason.UNKNOWN_SERVICE: "The hospital service is not in the site file's table.",
    Reason.UNKNOWN_PRIORITY: "The priority is not one of the four urgency classes.",
    Reason.UNKNOWN_CODE: "A coded value is none of those that the profile knows.",
    Reason.FUTURE_MILESTONE: "A milestone lies in the future.",
    Reason.UNKNOWN_VISIT: "A patient entered an operating room or the PACU on a visit without a known case.",
    Reason.AMBIGUOUS_VISIT: "The visit has several cases and none of them fits best.",
    Reason.MOVE_WITHDRAWN: "A move of a patient that may stand behind a milestone was cancelled: a person must decide.",
    Reason.PATIENTS_UNLINKED: "The sender says that two patient numbers are two people: a person must unmerge them.",
    Reason.SAME_VERSION_DIFFERS: "The sender changed the case without giving it a new version.",
    Reason.MERGE_CYCLE: "The merge would make a patient the successor of itself.",
    Reason.PARTED_BY_HAND: "A person has parted these patients after an earlier merge: only a person joins them again.",
    Reason.LONG_PAST: "A case of long ago that is not known here, or not any more: it may have been cancelled since.",
    Reason.LATER_RELEASE: "The resource is of FHIR R5 or later; this door speaks R4 (4.0.1).",
    Reason.DELETED: "The sender deleted the resource without saying what became of the case.",
    Reason.MAPPER_FAILED: "The mapping itself failed on this message: a fault of ours.",
}


class Quarantined(Exception):
    """This message is not applied; `field` names the place (such as TQ1-7), never its value."""

    def __init__(self, reason: Reason, field: str = "") -> None:
        super().__init__(f"{reason.sentence} ({field})" if field else reason.sentence)
        self.reason = reason
        self.field = field
