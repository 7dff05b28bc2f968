"""HL7 v2 read by profile: bytes to tokens, tokens to what a message says."""

from .header import Fault, Header, header_of_head, misdirected, read_header
from .profile import SourceProfile, default_profile
from .tokens import Message, NotHl7, tokenize
from .told_by import content_of, read_message, refs

__all__ = [
    "Fault",
    "Header",
    "Message",
    "NotHl7",
    "SourceProfile",
    "content_of",
    "default_profile",
    "header_of_head",
    "misdirected",
    "read_header",
    "read_message",
    "refs",
    "tokenize",
]
