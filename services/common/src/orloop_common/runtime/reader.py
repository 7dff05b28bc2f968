"""A record of the log as a flow sees it: the same in the one loop and in Faust, so that folds agree."""

import re

from orloop_common.domain.events import Unreadable

from .cloudevents import decode_headers, require_headers
from .errors import MissingHeaders, TooManyUnreadable
from .logs import get_logger
from .metrics import UNREADABLE
from .ports import Codec, RawRecord
from .records import Record

_log = get_logger("reader")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class RecordReader:
    """Decodes records; what cannot be decoded becomes an `Unreadable` that is folded as refused."""

    def __init__(self, codec: Codec, unreadable_limit: int = 200) -> None:
        self._codec = codec
        self._limit = unreadable_limit
        self._in_a_row = 0

    def __call__(self, raw: RawRecord) -> Record:
        """The record, its message decoded.

        Raises
        ------
        TooManyUnreadable
            If so many in a row could not be read that this release is suspect.
        """
        headers = decode_headers(raw.headers)
        suite = headers.get("ce_subject", "")
        key = None if raw.key is None else raw.key.decode("utf-8", "replace")
        message = None
        if raw.value is not None:
            try:
                require_headers(headers)
                message = self._codec.decode(headers["ce_type"], headers.get("ce_dataschema", ""), raw.value)
            except (MissingHeaders, ValueError, RecursionError) as error:
                message = self._unreadable(raw, suite, error)
            else:
                self._in_a_row = 0
        return Record(raw.topic, raw.partition, raw.offset, key, suite, message, headers, raw.received)

    def _unreadable(self, raw: RawRecord, suite: str, error: Exception) -> Unreadable:
        place = f"{raw.topic}/{raw.partition}/{raw.offset}"
        said = (str(error) or type(error).__name__).splitlines()[0]
        reason = _QUOTED.sub("'…'", said)[:300]  # a quoted value may be a patient's
        UNREADABLE.labels(raw.topic).inc()
        _log.warning("record_unreadable", place=place, reason=reason)
        self._in_a_row += 1
        if self._in_a_row > self._limit:
            raise TooManyUnreadable(
                f"Expected to read {raw.topic}, got {self._in_a_row} unreadable in a row.\n"
                "Maybe this release is older than what writes the topic: roll forward."
            )
        return Unreadable(id=f"unreadable/{place}", suite=suite, at=raw.received, reason=reason)
