"""Payloads to JSON bytes and back, strictly: a value of the wrong shape is an error, never a guess."""

from typing import Any, TypeVar

import msgspec

from .registry import BY_CE_TYPE, BY_TYPE, Schema

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="deterministic")
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


class UnreadableMessage(ValueError):
    """A record's value does not fit the schema that its headers name."""


def schema_of(message: object) -> Schema:
    """The published schema of a payload.

    Raises
    ------
    UnreadableMessage
        If the type is not in the registry.
    """
    try:
        return BY_TYPE[type(message)]
    except KeyError:
        raise UnreadableMessage(f"Expected a registered payload type, got {type(message).__name__}.") from None


def encode(message: object) -> bytes:
    """JSON of a registered payload, with keys in a fixed order."""
    schema_of(message)
    return _encoder.encode(message)


def decode(ce_type: str, dataschema: str, value: bytes) -> Any:
    """The payload that `value` holds, read through upcasters where its schema is an older version.

    Raises
    ------
    UnreadableMessage
        If the type is unknown, the version is newer than ours, or the value does not fit.
    """
    schema = BY_CE_TYPE.get(ce_type)
    if schema is None:
        raise UnreadableMessage(f"Expected a type of the registry, got {ce_type!r}.\nMaybe the producer is newer.")
    if dataschema != schema.name:
        raise UnreadableMessage(f"Expected schema {schema.name}, got {dataschema!r}.\nMaybe the producer is newer.")
    decoder = _decoders.setdefault(schema.type, msgspec.json.Decoder(schema.type))
    try:
        message = decoder.decode(value)
    except msgspec.DecodeError as error:
        raise UnreadableMessage(f"Expected a value of {schema.name}: {error}.") from None
    _refuse_naive_times(message)
    return message


def _refuse_naive_times(message: object) -> None:
    at = getattr(message, "at", None)
    if at is not None and at.tzinfo is None:
        raise UnreadableMessage(f"Expected times with a UTC offset, got {at.isoformat()}.")


def to_json(value: object) -> bytes:
    """JSON of any domain value, with keys in a fixed order."""
    return _encoder.encode(value)


def from_json(kind: type[T], value: bytes | str) -> T:
    """A value of a domain type from JSON.

    Raises
    ------
    UnreadableMessage
        If the value does not fit the type.
    """
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.DecodeError as error:
        raise UnreadableMessage(f"Expected a {kind.__name__}: {error}.") from None
