"""Segments and fields of one message, as a profile's places ask for them: the hot path of reading."""

import re

from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Flag

from . import words as w
from .places import Place
from .profile import SourceProfile
from .tokens import CLEARED, Message, Segment, nth

LONGEST_FIELD = 500
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,40}")
_STATUS = {b"AIS": 10, b"AIG": 14, b"AIL": 12, b"AIP": 12}
"""Where the resource segments of the standard hold their status (table 0278)."""
_MAY_BE_GONE = (b"C", b"c", b"D", b"d")  # most are booked: told apart by one byte, without decoding
_FOUND_NOTHING: tuple[str, None] = ("", None)


class Fields:
    """A message behind its source's profile.

    Attributes
    ----------
    flags
        What a person must mend; each names a word of a table.
    resource_names
        The sender's names of the four resource segments.
    """

    def __init__(self, message: Message, profile: SourceProfile) -> None:
        self.message, self.profile = message, profile
        self.flags: list[Flag] = []
        d = message.delimiters
        self._repetition, self._component, self._escape = d.repetition, d.component, d.escape
        self._component_text = d.component.decode()
        self.resource_names = profile.resource_names
        self._words: dict[str, Segment] | None = None
        self._lists: dict[bytes, list[Segment]] = {}
        self._firsts: dict[bytes, Segment | None] = {name: found[0] for name, found in message.index.items()}
        for name in profile.resource_names:
            if name in self._firsts:
                self._firsts[name] = next(iter(self.every(name)), None)

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
        """The segments of a name; of resource segments those that are neither deleted nor cancelled."""
        found = self._lists.get(name)
        if found is None:
            found = self.message.index.get(name, [])
            if found and name in _STATUS:
                found = [s for s in found if s.raw(2) != b"D" and not self.gone(s)]
            self._lists[name] = found
        return found

    def gone(self, segment: Segment) -> bool:
        """Whether a resource segment's status says that it is cancelled or deleted; Z segments have none."""
        number = _STATUS.get(segment.name)
        if number is None or segment.raw(number)[:1] not in _MAY_BE_GONE:
            return False
        return self.text(segment, number).lower() in w.GONE

    def one(self, name: bytes) -> Segment | None:
        """The first segment of a name; after `narrow` the one that is meant there."""
        return self._firsts.get(name)

    def narrow(self, segments: dict[bytes, Segment | None]) -> None:
        """From now on these are the segments of their names, for messages that repeat a group."""
        self._firsts |= segments

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
        fields = segment.split or segment.fields
        if number >= len(fields):
            return ""
        raw = fields[number]
        if not raw or raw == CLEARED:
            return ""
        if self._repetition in raw:
            raw = raw.split(self._repetition, 1)[0]
        if self._component in raw:
            parts = raw.split(self._component, component)
            if len(parts) < component:
                return ""
            raw = parts[component - 1]
        elif component > 1:
            return ""
        if sub:
            raw = nth(raw, self.message.delimiters.subcomponent, sub)
        if raw.isascii() and self._escape not in raw:
            value = raw.decode("ascii").strip()
        else:
            value = self.message.decode(raw).strip()
        if len(value) > LONGEST_FIELD:
            raise Quarantined(Reason.FIELD_TOO_LONG, f"{segment.name.decode('ascii', 'replace')}-{number}")
        return value

    def components(self, segment: Segment, number: int, last: int) -> list[str]:
        """Components 1 to `last` of a field as text, in one go."""
        raw = segment.raw(number)
        if not raw or raw == CLEARED:
            return [""] * last
        if self._repetition in raw:
            raw = raw.split(self._repetition, 1)[0]
        if self._escape not in raw and raw.isascii() and len(raw) <= LONGEST_FIELD:
            plain = raw.decode("ascii").split(self._component_text, last)
            count = len(plain)
            return [plain[n].strip() if n < count else "" for n in range(last)]
        return [self.text(segment, number, n) for n in range(1, last + 1)]

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
        firsts = self._firsts
        for place in self.profile.candidates[name]:
            if place.word:
                segment = self.find(place)
                if segment is not None and (value := self.value(segment, place)):
                    return value, place
            else:
                segment = firsts.get(place.segment)
                if segment is None:
                    continue
                fields, at = segment.split or segment.fields, place.field
                if at < len(fields) and fields[at]:  # most are empty: asked here, it costs no call
                    value = self.text(segment, at, place.component, place.sub)
                    if value:
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


def _begins(value: str, word: str) -> re.Match[str] | None:
    return re.match(re.escape(word) + r"(?![A-Z0-9])\s*[:=]?\s*", value)
