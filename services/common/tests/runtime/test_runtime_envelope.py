"""Envelope encryption: data keys that live shortly, master keys that rotate, nothing that can be altered."""

import base64

import pytest
from cryptography.fernet import Fernet

from orloop_common.runtime.crypto import PREFIX, PayloadCipher, generate_key
from orloop_common.runtime.errors import CannotDecrypt

HEAD = 8 + 12 + 48


def head_of(token: bytes) -> bytes:
    return base64.urlsafe_b64decode(token[len(PREFIX) :])[:HEAD]


def test_a_token_opens_and_shows_nothing():
    cipher = PayloadCipher(generate_key())
    token = cipher.encrypt(b"MSH|Zzyxcanary")
    assert token.isascii()
    assert b"Zzyx" not in base64.urlsafe_b64decode(token[len(PREFIX) :])
    assert cipher.decrypt(token) == b"MSH|Zzyxcanary"
    assert cipher.encrypt(b"MSH|Zzyxcanary") != token


def test_a_data_key_is_thrown_away_after_so_many_payloads():
    cipher = PayloadCipher(generate_key(), messages_per_key=2)
    tokens = [cipher.encrypt(b"%d" % n) for n in range(5)]
    heads = [head_of(token) for token in tokens]
    assert heads[0] == heads[1] != heads[2] == heads[3] != heads[4]
    assert [cipher.decrypt(token) for token in tokens] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_data_key_is_thrown_away_after_its_time():
    cipher = PayloadCipher(generate_key(), seconds_per_key=-1.0)
    assert head_of(cipher.encrypt(b"x")) != head_of(cipher.encrypt(b"x"))


def test_another_process_with_the_same_master_key_opens_it():
    key = generate_key()
    assert PayloadCipher(key).decrypt(PayloadCipher(key).encrypt(b"x")) == b"x"


def test_tokens_of_the_time_before_still_open():
    key = generate_key()
    assert PayloadCipher(key).decrypt(Fernet(key).encrypt(b"old")) == b"old"
    assert PayloadCipher(f"{generate_key()},{key}").decrypt(Fernet(key).encrypt(b"old")) == b"old"


def test_after_a_rotation_the_old_master_key_is_not_needed_for_what_was_rotated():
    old, new = generate_key(), generate_key()
    token = PayloadCipher(old).encrypt(b"x")
    rotated = PayloadCipher(f"{new},{old}").rotate(token)
    assert PayloadCipher(new).decrypt(rotated) == b"x"
    with pytest.raises(CannotDecrypt):
        PayloadCipher(new).decrypt(token)


@pytest.mark.parametrize("at", [0, 8, 20, HEAD, HEAD + 12, -1])
def test_one_altered_byte_anywhere_does_not_open(at):
    cipher = PayloadCipher(generate_key())
    data = bytearray(base64.urlsafe_b64decode(cipher.encrypt(b"payload")[len(PREFIX) :]))
    data[at] ^= 1
    with pytest.raises(CannotDecrypt):
        cipher.decrypt(PREFIX + base64.urlsafe_b64encode(bytes(data)))


@pytest.mark.parametrize("token", [b"", b"o1.", b"o1.!!!!", b"o1.AAAA", b"rubbish"])
def test_rubbish_does_not_open(token):
    with pytest.raises(CannotDecrypt):
        PayloadCipher(generate_key()).decrypt(token)
