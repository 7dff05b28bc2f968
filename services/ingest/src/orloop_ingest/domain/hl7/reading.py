"""One message on the table: tokens, header and profile behind the questions that the mappings ask."""

import re
from datetime import datetime

from orloop_common.messages.identity import PatientIdentity, SenderIdentity

from ..quarantine import Quarantined, Reason
from ..told import CaseRef, Flag
from .header import Header
from .places import Place
from .profile import SourceProfile
from .times import Clock, clock_of, read_time
from .tokens import CLEARED, Message, Segment, nth

LONGEST_FIELD = 500
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,40}")
_RESOURCES = ("AIS", "AIL", "AIP", "AIG")
_FOUND_NOTHING: tuple[str, None] = ("", None)


class Reading:
    """A message of a known source.

    Attributes
    ----------
    notes
        What is odd but harmless: counted, never logged with values.
    flags
        What a person must mend; each names a word of a table.
    resource_names
        The sender's names of the four resource segments.
    """

    def __init__(
        self, message: Message, header: Header, profile: SourceProfile, site: str, received: datetime, raw: str
    ) -> None:
        self.message, self.header, self.profile, self.site = message, header, profile, site
        self.received, self.raw = received, raw
        self.notes: list[str] = []
        self.flags: list[Flag] = []
        self.clock: Clock = clock_of(header.sent, profile.zone)
        self.at = min(self.instant(header.sent, "MSH-7"), received) if header.sent else received
        self.scope: dict[bytes, Segment | None] = {}
        self._words: dict[str, Segment] | None = None
        self._lists: dict[bytes, list[Segment]] = {}
        self.resource_names = [profile.segment(name) for name in _RESOURCES]

    # --- segments ----------------------------------------------------------------------------------

    def part(self, name: str) -> bytes:
        """The sender's segment that plays the part of `name`."""
        return self.profile.segment(name)

    def need(self, name: str) -> Segment:
        """The only segment of this name.

        Raises
        ------
        Quarantined
            WRONG_BODY if there is none, or a second one.
        """
        found = self.message.all(self.part(name))
        if len(found) != 1:
            raise Quarantined(Reason.WRONG_BODY, self.part(name).decode())
        return found[0]

    def has(self, name: str) -> bool:
        return self.part(name) in self.message.index

    def every(self, name: bytes) -> list[Segment]:
        """The segments of a name; of resource segments those that are not marked as deleted or cancelled."""
        found = self._lists.get(name)
        if found is None:
            found = self.message.index.get(name, [])
            if found and name in self.resource_names:
                found = [s for s in found if s.raw(2) != b"D"]
            self._lists[name] = found
        return found

    def one(self, name: bytes) -> Segment | None:
        """The first segment of a name; inside of `scope` the one that is meant there."""
        if name in self.scope:
            return self.scope[name]
        found = self.every(name)
        return found[0] if found else None

    def find(self, place: Place) -> Segment | None:
        """The segment that a place lies in."""
        if not place.word:
            return self.one(place.segment)
        if place.segment == b"OBX" and place.key == 3:
            return self.observations().get(place.word)
        return next((s for s in self.every(place.segment) if self.fits(s, place)), None)

    def fits(self, segment: Segment, place: Place) -> bool:
        """Whether a segment is of the kind that a place asks for."""
        if not place.word:
            return True
        value = self.text(segment, place.key).upper()
        return bool(_begins(value, place.word)) if segment.name == b"NTE" else value == place.word

    def observations(self) -> dict[str, Segment]:
        """OBX by its code in capitals; the last of several counts."""
        found = self._words
        if found is None:
            found = self._words = {self.observation(s): s for s in self.message.index.get(b"OBX", ())}
        return found

    def observation(self, obx: Segment) -> str:
        """The code of an OBX in capitals: OBX-3.1, or where that is empty its text."""
        return (self.text(obx, 3) or self.text(obx, 3, 2)).upper()

    # --- fields ------------------------------------------------------------------------------------

    def text(self, segment: Segment | None, number: int, component: int = 1, sub: int = 0) -> str:
        """A component as text; a field that clears (two quotes) is empty here."""
        if segment is None:
            return ""
        raw = segment.raw(number)
        if not raw or raw == CLEARED:
            return ""
        message = self.message
        value = message.decode(message.bytes_of(segment, number, component, sub)).strip()
        if len(value) > LONGEST_FIELD:
            raise Quarantined(Reason.FIELD_TOO_LONG, f"{segment.name.decode('ascii', 'replace')}-{number}")
        return value

    def clears(self, segment: Segment | None, number: int) -> bool:
        return segment is not None and segment.raw(number) == CLEARED

    def value(self, segment: Segment, place: Place) -> str:
        """What stands at a place of this segment."""
        value = self.text(segment, place.field, place.component, place.sub)
        if place.word and segment.name == b"NTE" and (found := _begins(value.upper(), place.word)):
            return value[found.end() :].strip()
        return value

    def pick(self, name: str) -> tuple[str, Place] | tuple[str, None]:
        """The first filled candidate of a field and where it stands; empty if none is filled."""
        for place in self.profile.candidates[name]:
            segment = self.find(place)
            if segment is not None and (value := self.value(segment, place)):
                return value, place
        return _FOUND_NOTHING

    def cleared(self, name: str) -> bool:
        """Whether a candidate of the field holds two quotes."""
        return any(self.clears(self.find(place), place.field) for place in self.profile.candidates[name])

    def code(self, name: str) -> str | None:
        """A coded value: short, without spaces; None for anything that might be free text."""
        value = self.pick(name)[0]
        return value if _CODE.fullmatch(value) else None

    def is_code(self, value: str) -> bool:
        return _CODE.fullmatch(value) is not None

    def flag(self, kind: str, word: str, place: str) -> None:
        """Tell a person, once a message, unless the word might be free text."""
        told = Flag(kind=kind, word=word if _CODE.fullmatch(word) else "", place=place)
        if told not in self.flags:
            self.flags.append(told)

    # --- times -------------------------------------------------------------------------------------

    def instant(self, text: str, place: str, *, day: bool = False) -> datetime:
        """A time as aware UTC; flagged if the clock showed it twice and nothing tells which is meant."""
        moment, ambiguous = read_time(text, self.clock, place, day)
        if ambiguous:
            self.flag("ambiguous_time", text, place)
        return moment

    def time(self, name: str, *, day: bool = False) -> datetime | None:
        """A field as a time, or None if it is empty."""
        value, place = self.pick(name)
        return self.instant(value, place.text, day=day) if place is not None else None

    # --- who and which case ------------------------------------------------------------------------

    def ids(self) -> tuple[str, ...]:
        """The sender's case ids: the first filled candidate, or all filled ones where the profile says so."""
        if not self.profile.any_case_id:
            value = self.pick("case_id")[0]
            return (value,) if value else ()
        found = (self.find(place) for place in self.profile.candidates["case_id"])
        filled = [self.value(s, p) for s, p in zip(found, self.profile.candidates["case_id"], strict=True) if s]
        return tuple(dict.fromkeys(value for value in filled if value))

    def ref(self, patient: PatientIdentity, room: str | None = None, at: datetime | None = None) -> CaseRef:
        """How this message names its case."""
        return CaseRef(ids=self.ids(), visit=self.pick("visit")[0], patient=patient, room=room, at=at)

    def patient(self) -> PatientIdentity:
        """The patient in the sender's words; what the message leaves out is empty."""
        pid = self.one(b"PID")
        if pid is None:
            return PatientIdentity()
        name = self.profile.candidates["patient_name"]
        held = self.find(name[0]) if name else None
        return PatientIdentity(
            id=self.pick("patient_id")[0],
            assigner=self.pick("assigner")[0],
            type=self.pick("patient_id_type")[0],
            name=self.message.decode_escaped(held.raw(name[0].field)[:LONGEST_FIELD]) if held else "",
            birth=self.pick("birth")[0],
            sex=self.pick("sex")[0],
        )

    def identity(self, ids: tuple[str, ...], visit: str, patient: PatientIdentity) -> SenderIdentity:
        """What write-back needs to address the case in the sender's own words."""
        sent = self.header.sent
        return SenderIdentity(
            source=self.profile.source,
            suite=self.profile.suite,
            filler=ids[0] if ids else "",
            placer=self.pick("placer")[0],
            facility=self.header.facility,
            visit=visit,
            zone=sent[-5:] if sent[-5:-4] in ("+", "-") and sent[-4:].isdigit() else "+0000",
            pid=patient,
            aliases=self.profile.aliases,
        )

    def listed(self, value: bytes, component: int) -> str:
        """A component of one repetition, given as bytes."""
        return self.message.decode(nth(value, self.message.delimiters.component, component)).strip()


def _begins(value: str, word: str) -> re.Match[str] | None:
    return re.match(re.escape(word) + r"(?![A-Z0-9])\s*[:=]?\s*", value)
