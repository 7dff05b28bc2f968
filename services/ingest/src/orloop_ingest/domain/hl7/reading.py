"""One message on the table: its fields, and the times, the patient and the case that they tell."""

from datetime import datetime

from orloop_common.messages.identity import PatientIdentity, SenderIdentity
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import CaseRef

from .fields import LONGEST_FIELD, Fields
from .header import Header
from .profile import SourceProfile
from .times import Clock, clock_of, read_time
from .tokens import CLEARED, Message, Segment, nth


class Reading(Fields):
    """A message of a known source.

    Attributes
    ----------
    notes
        What is odd but harmless: counted, never logged with values.
    unsent
        Why MSH-7 cannot be read, if so; `at` is then when it was received.
    """

    def __init__(
        self, message: Message, header: Header, profile: SourceProfile, site: str, received: datetime, raw: str
    ) -> None:
        super().__init__(message, profile)
        self.header, self.site = header, site
        self.received, self.raw = received, raw
        self.notes: list[str] = []
        self.unsent: Quarantined | None = None
        try:
            self.clock, sent = clock_of(header.sent, profile.zone)
        except Quarantined as problem:  # matters only to a message that says something to us
            self.clock, sent, self.unsent = Clock(profile.zone), None, problem
        self.at = received if sent is None or sent > received else sent

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
        number = self.profile.patient_number
        id, assigner, kind = self.number(pid, number.field)
        return PatientIdentity(
            id=id,
            assigner=assigner,
            type=kind,
            name=self.message.decode_escaped(pid.raw(5)[:LONGEST_FIELD]),
            birth=self.text(pid, 7),
            sex=self.text(pid, 8),
        )

    def number(self, segment: Segment, field: int) -> tuple[str, str, str]:
        """A patient number with its assigner and type (CX): the repetition of the type that the profile prefers."""
        raw = segment.raw(field)
        wanted = self.profile.patient_number.types
        if wanted and self._repetition in raw:
            raw = self._preferred(raw.split(self._repetition), wanted)
        elif self._repetition in raw:
            raw = raw.split(self._repetition, 1)[0]
        if not raw or raw == CLEARED:
            return "", "", ""
        if len(raw) > LONGEST_FIELD:
            raise Quarantined(Reason.FIELD_TOO_LONG, f"{segment.name.decode('ascii', 'replace')}-{field}")
        parts = raw.split(self._component)
        count = len(parts)
        decode = self.message.decode
        assigner = nth(parts[3], self.message.delimiters.subcomponent, 1) if count > 3 else b""
        return decode(parts[0]).strip(), decode(assigner).strip(), decode(parts[4]).strip() if count > 4 else ""

    def _preferred(self, repetitions: list[bytes], wanted: tuple[str, ...]) -> bytes:
        by_type = {nth(each, self._component, 5): each for each in reversed(repetitions)}
        return next((by_type[kind] for name in wanted if (kind := name.encode()) in by_type), repetitions[0])

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
