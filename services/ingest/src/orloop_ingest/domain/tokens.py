"""Moved to `hl7.tokens`."""

from .hl7.escapes import Delimiters, escape, unescape
from .hl7.tokens import BOM, CLEARED, Message, NotHl7, Segment, nth, read_delimiters, tokenize

__all__ = [
    "BOM",
    "CLEARED",
    "Delimiters",
    "Message",
    "NotHl7",
    "Segment",
    "escape",
    "nth",
    "read_delimiters",
    "tokenize",
    "unescape",
]
