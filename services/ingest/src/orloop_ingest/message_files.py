"""Files of HL7 messages as analysts have them: MLLP frames, one message after another, or JSON lines."""

import json
from collections.abc import Iterator
from pathlib import Path

_STARTS = (b"MSH", b"\xef\xbb\xbfMSH")


class MessageFileError(ValueError):
    """The file cannot be read as messages; the text says what was expected."""


def read_messages(path: Path) -> list[bytes]:
    """The messages of a file, in its order.

    Raises
    ------
    MessageFileError
        If it cannot be opened or holds none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MessageFileError(f"Expected to read {path}, got: {error.strerror}.\nMaybe its path is wrong.") from None
    found = [m for m in (_json_lines(data) if path.suffix == ".jsonl" else split_messages(data)) if m]
    if not found:
        raise MessageFileError(f"Expected HL7 messages in {path}, got none.\nMaybe it is in another format.")
    return found


def _json_lines(data: bytes) -> Iterator[bytes]:
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            text = told if isinstance(told, str) else told["msg"]
        except (ValueError, KeyError, TypeError):
            raise MessageFileError(
                f'Expected a JSON object with "msg" in line {number}, got something else.\nMaybe it is no .jsonl file.'
            ) from None
        yield str(text).encode()


def split_messages(data: bytes) -> list[bytes]:
    """Messages between VT and FS where there are frames; else each from one MSH line to the next."""
    if b"\x0b" in data and b"\x1c" in data:
        return [frame.rpartition(b"\x0b")[2] for frame in data.split(b"\x1c") if b"\x0b" in frame]
    found: list[bytes] = []
    for line in data.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(_STARTS):
            found.append(b"")
        if found and line.strip() and not line.startswith((b"FHS", b"BHS", b"BTS", b"FTS")):
            found[-1] += line + b"\r"
    return found
