"""One message on the table: tokens, header and site profile behind the questions that mappings ask."""

import re
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from orloop_common.domain.site import Hl7Profile, Site
from orloop_common.messages.identity import PatientIdentity, SenderIdentity

from .header import Header
from .known import Known
from .pseudonyms import Pseudonyms
from .quarantine import Quarantined, Reason
from .times import offset_of, parse_time
from .tokens import CLEARED, Message, Segment

LONGEST_FIELD = 500
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,40}")


@dataclass(frozen=True, slots=True)
class Reading:
    """A message of a known source. `notes` gathers what is odd but harmless: counted, never logged with values."""

    message: Message
    header: Header
    site: Site
    profile: Hl7Profile
    suite: str
    received: datetime
    known: Known
    pseudonyms: Pseudonyms
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        return self.header.application

    @property
    def zone(self) -> tzinfo:
        """The zone of times without an offset: the header's, else the site's."""
        return offset_of(self.header.sent) or ZoneInfo(self.site.timezone)

    @property
    def told(self) -> datetime:
        """When the sender said so (MSH-7), never after it was received."""
        if not self.header.sent:
            return self.received
        return min(parse_time(self.header.sent, self.zone, "MSH-7"), self.received)

    def segment(self, name: str) -> Segment | None:
        return self.message.first(name.encode())

    def segments(self, name: str) -> list[Segment]:
        """Every segment of a name that is not marked as deleted (action code D in field 2 of AI segments)."""
        found = list(self.message.all(name.encode()))
        if name.startswith("AI"):
            return [s for s in found if s.raw(2) != b"D"]
        return found

    def need(self, name: str) -> Segment:
        """The only segment of this name.

        Raises
        ------
        Quarantined
            WRONG_BODY if there is none, or a second one.
        """
        found = list(self.message.all(name.encode()))
        if len(found) != 1:
            raise Quarantined(Reason.WRONG_BODY, name)
        return found[0]

    def text(self, segment: Segment | None, number: int, component: int = 1, sub: int = 0) -> str:
        """A component as text; a field that clears (two quotes) is empty here."""
        if self.clears(segment, number):
            return ""
        value = self.message.text(segment, number, component, sub).strip()
        if len(value) > LONGEST_FIELD:
            raise Quarantined(Reason.FIELD_TOO_LONG, f"field {number}")
        return value

    def clears(self, segment: Segment | None, number: int) -> bool:
        return segment is not None and segment.raw(number) == CLEARED

    def code(self, segment: Segment | None, number: int, component: int = 1) -> str | None:
        """A coded value: short, without spaces; None for anything that might be free text."""
        value = self.text(segment, number, component)
        return value if _CODE.fullmatch(value) else None

    def time(
        self, segment: Segment | None, number: int, place: str, component: int = 1, *, day: bool = False
    ) -> datetime | None:
        """A time, or None if the field is empty."""
        value = self.text(segment, number, component)
        return parse_time(value, self.zone, place, day_is_enough=day) if value else None

    def room(self, segment: Segment | None, number: int, component: int, place: str) -> str | None:
        """Our room for the sender's word, or None if the field is empty; UNKNOWN_ROOM if it is in no table."""
        alias = self.text(segment, number, component)
        if not alias:
            return None
        room = self.profile.rooms.get(alias)
        if room is None:
            raise Quarantined(Reason.UNKNOWN_ROOM, place)
        return room

    def sender_case(self) -> str:
        """The sender's own case id: the first filled of SCH-2, SCH-1, OBR-3, ORC-3, OBR-2, ORC-2; else empty."""
        for name, number in (("SCH", 2), ("SCH", 1), ("OBR", 3), ("ORC", 3), ("OBR", 2), ("ORC", 2)):
            if value := self.text(self.segment(name), number):
                return value
        return ""

    def case(self) -> str:
        """Our id of the case that the message is about.

        Raises
        ------
        Quarantined
            NO_CASE_ID if no field names one.
        """
        sender_case = self.sender_case()
        if not sender_case:
            raise Quarantined(Reason.NO_CASE_ID, "SCH-2, OBR-3")
        return self.pseudonyms.case_uid(self.source, sender_case)

    def identity(self) -> SenderIdentity:
        """What the message says of the sender's ids; what it leaves out is empty."""
        pid, sch = self.segment("PID"), self.segment("SCH")
        return SenderIdentity(
            source=self.source,
            suite=self.suite,
            filler=self.sender_case(),
            placer=self.text(sch, 1),
            facility=self.header.facility,
            visit=self.text(self.segment("PV1"), 19),
            zone=_zone(self.header.sent),
            pid=PatientIdentity(
                id=self.text(pid, 3),
                assigner=self.text(pid, 3, 4, 1),
                type=self.text(pid, 3, 5),
                name=self.message.decode_escaped(pid.raw(5)[:LONGEST_FIELD]) if pid else "",
                birth=self.text(pid, 7),
                sex=self.text(pid, 8),
            ),
            aliases={room: alias for alias, room in reversed(self.profile.rooms.items())},
        )


def _zone(sent: str) -> str:
    found = re.search(r"[+-]\d{4}\Z", sent)
    return found.group() if found else "+0000"
