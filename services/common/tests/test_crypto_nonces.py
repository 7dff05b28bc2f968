"""No nonce is used twice under one data key: not by one process, and not by a child that was forked from it."""

import base64
import os
from pathlib import Path

from orloop_common.runtime.crypto import PREFIX, PayloadCipher, generate_key


def head_and_nonce(token: bytes) -> tuple[bytes, bytes]:
    data = base64.urlsafe_b64decode(token[len(PREFIX) :])
    return data[:68], data[68:80]


def test_every_payload_has_a_nonce_of_its_own_under_each_data_key() -> None:
    cipher = PayloadCipher(generate_key(), messages_per_key=50)
    used = [head_and_nonce(cipher.encrypt(b"x")) for _ in range(201)]
    assert len(set(used)) == 201
    assert len({head for head, _ in used}) == 5


def test_a_forked_child_encrypts_under_a_key_of_its_own(tmp_path: Path) -> None:
    cipher = PayloadCipher(generate_key())
    told = tmp_path / "token"
    child = os.fork()
    if child == 0:
        told.write_bytes(cipher.encrypt(b"x"))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = told.read_bytes()
    assert head_and_nonce(theirs)[0] != head_and_nonce(cipher.encrypt(b"x"))[0]
    assert cipher.decrypt(theirs) == b"x"
