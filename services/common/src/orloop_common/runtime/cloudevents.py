"""CloudEvents 1.0, Kafka binding, binary mode: the headers of every record of the mesh."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from .errors import MissingHeaders
from .ports import Headers

REQUIRED = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject")


def encode_headers(
    *,
    id: str,
    service: str,
    type: str,
    subject: str,
    time: datetime,
    dataschema: str,
    traceparent: str,
    cause: str | None = None,
) -> Headers:
    """The headers of one record; `time` is event time."""
    if time.tzinfo is None:
        raise ValueError(f"Expected an aware event time, got {time}.\nMaybe add tzinfo=UTC.")
    version, source, kind, about, schema, content = _same(service, type, subject, dataschema)
    headers = (
        version,
        ("ce_id", id.encode()),
        source,
        kind,
        ("ce_time", time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
        about,
        schema,
        content,
        ("traceparent", traceparent.encode()),
    )
    return headers if cause is None else (*headers, ("ce_causationid", cause.encode()))


@lru_cache(1024)
def _same(service: str, type: str, subject: str, dataschema: str) -> Headers:
    """The headers that many records share."""
    pairs = {
        "ce_specversion": "1.0",
        "ce_source": f"/orloop/{service}",
        "ce_type": type,
        "ce_subject": subject,
        "ce_dataschema": dataschema,
        "content-type": "application/json",
    }
    return tuple((name, value.encode()) for name, value in pairs.items())


def decode_headers(headers: Iterable[tuple[str, bytes | str | None]] | None) -> dict[str, str]:
    """Headers as text; the last of several with one name counts, undecodable bytes are replaced."""
    decoded: dict[str, str] = {}
    for name, value in headers or ():
        if value is not None:
            decoded[name] = value if isinstance(value, str) else value.decode("utf-8", "replace")
    return decoded


def require_headers(headers: Mapping[str, str]) -> None:
    """Raise `MissingHeaders` naming each absent one."""
    missing = [name for name in REQUIRED if not headers.get(name)]
    if missing:
        raise MissingHeaders(
            f"Expected CloudEvents headers {', '.join(missing)}, got none of them.\n"
            "Maybe the record was not written by the mesh."
        )
    if headers["ce_specversion"] != "1.0":
        raise MissingHeaders("Expected ce_specversion 1.0, got another.\nMaybe the producer is too new.")
