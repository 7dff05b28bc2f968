"""The real codec: payloads under the published schemas."""

from typing import Any

from orloop_common import messages

from .ports import Codec


class MessagesCodec:
    """`orloop_common.messages` behind the loop's port."""

    def decode(self, ce_type: str, dataschema: str, value: bytes) -> Any:
        return messages.decode(ce_type, dataschema, value)

    def encode(self, message: Any) -> bytes:
        return messages.encode(message)

    def ce_type_of(self, message: Any) -> str:
        return messages.schema_of(message).ce_type

    def dataschema_of(self, message: Any) -> str:
        return messages.schema_of(message).name


def default_codec() -> Codec:
    """What every service reads and writes."""
    return MessagesCodec()
