"""Moved to `hl7.times`."""

from .hl7.times import format_time, offset_of, parse_length, parse_time

__all__ = ["format_time", "offset_of", "parse_length", "parse_time"]
