"""Payloads that only the two hospital doors may read: envelope encryption with AES-256-GCM.

Each process encrypts under a data key of its own, which it throws away after so many payloads or an hour; the
data key travels in the token, wrapped by the master key. A token is
`o1.` + base64url(master key id 8 | wrap nonce 12 | wrapped data key 48 | nonce 12 | ciphertext and tag),
and all before the nonce is authenticated with it. Tokens of the time before (Fernet) still open.
"""

import base64
import binascii
import os
import time
from collections import OrderedDict
from hashlib import sha256
from itertools import count
from weakref import WeakSet

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import CannotDecrypt, ConfigurationError

PREFIX = b"o1."
MESSAGES_PER_KEY = 2**20  # nonces count (NIST SP 800-38D 8.2.1), so none is used twice under a key that only we have
SECONDS_PER_KEY = 3600.0
_ID, _NONCE, _WRAPPED = 8, 12, 48
_HEAD = _ID + _NONCE + _WRAPPED
_KEYS_KEPT = 512
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class _Master:
    """One master key: it wraps data keys and nothing else."""

    def __init__(self, key: bytes) -> None:
        self.id = sha256(b"orloop key id" + key).digest()[:_ID]
        self._wrap = AESGCM(HKDF(SHA256(), 32, None, b"orloop wrap v1").derive(key))

    def wrap(self, data_key: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return self.id + nonce + self._wrap.encrypt(nonce, data_key, self.id)

    def unwrap(self, head: bytes) -> bytes:
        return self._wrap.decrypt(head[_ID : _ID + _NONCE], head[_ID + _NONCE :], self.id)


class PayloadCipher:
    """Encrypts under the first master key, decrypts with any: put a new key in front to rotate."""

    def __init__(
        self,
        keys: str,
        variable: str = "ORLOOP_PAYLOAD_KEY",
        *,
        messages_per_key: int = MESSAGES_PER_KEY,
        seconds_per_key: float = SECONDS_PER_KEY,
    ) -> None:
        try:
            given = [key.strip() for key in keys.split(",") if key.strip()]
            fernets = [Fernet(key) for key in given]
            masters = [_Master(base64.urlsafe_b64decode(key)) for key in given]
        except ValueError:
            fernets = []
        if not fernets:
            raise ConfigurationError(
                f"{variable}: Expected url-safe base64 of 32 bytes (or several, with commas), got none.\n"
                "Maybe make one with cryptography.fernet.Fernet.generate_key()."
            )
        self._old = MultiFernet(fernets)
        self._first, self._masters = masters[0], {master.id: master for master in masters}
        self._most, self._longest = messages_per_key, seconds_per_key
        self._opened: OrderedDict[bytes, AESGCM] = OrderedDict()
        self._renew()
        _ciphers.add(self)

    def encrypt(self, payload: bytes) -> bytes:
        """The token, url-safe base64 after its prefix; not the same twice. One thread at a time may call it."""
        if self._left <= 0 or time.monotonic() > self._until:
            self._renew()
        self._left -= 1
        key, head, numbers = self._current
        nonce = next(numbers).to_bytes(_NONCE, "big")
        return PREFIX + base64.b64encode(b"".join((head, nonce, key.encrypt(nonce, payload, head)))).translate(
            _URL_SAFE
        )

    def decrypt(self, token: bytes) -> bytes:
        """The payload, or `CannotDecrypt`."""
        try:
            return self._open(token) if token.startswith(PREFIX) else self._old.decrypt(token)
        except (InvalidToken, InvalidTag, KeyError, ValueError, binascii.Error):
            raise CannotDecrypt(
                f"Expected a payload encrypted with a known key, got {len(token)} bytes that none opens.\n"
                "Maybe the key was rotated: keep the old one after the new, separated by a comma."
            ) from None

    def rotate(self, token: bytes) -> bytes:
        """The same payload under the first master key."""
        return self.encrypt(self.decrypt(token))

    def _renew(self) -> None:
        data_key = AESGCM.generate_key(256)
        self._current = AESGCM(data_key), self._first.wrap(data_key), count()
        self._left, self._until = self._most, time.monotonic() + self._longest

    def _open(self, token: bytes) -> bytes:
        data = base64.b64decode(token[len(PREFIX) :], b"-_", validate=True)
        head, nonce = data[:_HEAD], data[_HEAD : _HEAD + _NONCE]
        return self._data_key(head).decrypt(nonce, data[_HEAD + _NONCE :], head)

    def _data_key(self, head: bytes) -> AESGCM:
        key = self._opened.get(head)
        if key is None:
            key = self._opened[head] = AESGCM(self._masters[head[:_ID]].unwrap(head))
            if len(self._opened) > _KEYS_KEPT:
                self._opened.popitem(last=False)
        return key


_ciphers: "WeakSet[PayloadCipher]" = WeakSet()


def _part_ways() -> None:
    """A forked child draws keys of its own: it must not count on under its parent's."""
    for cipher in _ciphers:
        cipher._renew()


os.register_at_fork(after_in_child=_part_ways)


def generate_key() -> str:
    """A new master key."""
    return Fernet.generate_key().decode()
