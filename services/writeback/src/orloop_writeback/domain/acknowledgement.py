"""Reading the hospital's acknowledgement: its code, which message it answers, and a text without a patient."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ACCEPTED = frozenset({"AA", "CA"})
REFUSED = frozenset({"AE", "AR", "CE", "CR"})
_LONGEST = 200
_NUMBER = re.compile(r"\d{5,}")
_ESCAPES = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}


class NotAnAcknowledgement(Exception):
    """What came is no acknowledgement of anything."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """MSA-1, MSA-2, and what MSA-3 and ERR say about it.

    `header` holds the fields of its own MSH; in enhanced mode it may ask to be acknowledged itself.
    """

    code: str
    control_id: str
    text: str
    header: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.code in ACCEPTED

    @property
    def wants_commit(self) -> bool:
        """Whether its MSH-15 asks for a commit acknowledgement (an application's answer in enhanced mode)."""
        return self.code in ("AA", "AE", "AR") and _field(list(self.header), 14) in ("AL", "SU")


def commit_of(answer: Acknowledgement) -> bytes:
    """CA for an application's acknowledgement, addressed back to it."""
    mine = list(answer.header) + [""] * 12
    header = [
        "MSH",
        mine[1],
        mine[4],
        mine[5],
        mine[2],
        mine[3],
        mine[6],
        "",
        "ACK",
        f"C{mine[9]}"[:20],
        mine[10] or "P",
    ]
    return ("|".join([*header, mine[11]]) + f"\rMSA|CA|{mine[9]}\r").encode()


def read_acknowledgement(payload: bytes) -> Acknowledgement:
    """The acknowledgement that a frame holds.

    Raises
    ------
    NotAnAcknowledgement
        If it has no MSA with a code that exists.
    """
    lines = [line for line in payload.decode("utf-8", "replace").replace("\n", "\r").split("\r") if line]
    separator = lines[0][3:4] if lines and lines[0].startswith("MSH") and len(lines[0]) > 3 else "|"
    segments = [line.split(separator) for line in lines]
    msa = next((s for s in segments if s[0] == "MSA"), None)
    code = _field(msa, 1) if msa else ""
    if not segments or segments[0][0] != "MSH" or code not in ACCEPTED | REFUSED:
        raise NotAnAcknowledgement("Expected MSH and MSA with a code such as AA, got neither.")
    errors = [_field(s, 8) or _field(s, 7) or _named(_field(s, 3)) or _field(s, 1) for s in segments if s[0] == "ERR"]
    texts = list(dict.fromkeys(t for t in (_field(msa, 3), *errors) if t))
    return Acknowledgement(code, _field(msa, 2), _plain("; ".join(texts)), tuple(segments[0]))


def without(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the words that identify the patient, nor any long number, shortened."""
    words = {w for secret in secrets for w in re.split(r"[\^&~\\\s,]+", secret) if len(w) > 1}
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(re.escape(word), "…", text, flags=re.IGNORECASE)
    text = _NUMBER.sub("…", text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _field(segment: list[str] | None, number: int) -> str:
    return segment[number].strip() if segment is not None and len(segment) > number else ""


def _named(coded: str) -> str:
    """`207^Application internal error` as its text; HAPI puts its own words into the ninth component."""
    parts = [part.strip() for part in coded.split("^")] + [""] * 9
    return parts[8] or parts[1] or parts[0]


def _plain(text: str) -> str:
    text = re.sub(r"\\([FSTRE])\\", lambda m: _ESCAPES[m.group(1)], text)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
