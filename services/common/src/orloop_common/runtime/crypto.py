"""Payloads that only the two hospital doors may read: Fernet, with rotation."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .errors import CannotDecrypt, ConfigurationError


class PayloadCipher:
    """Encrypts with the first key, decrypts with any: put a new key in front to rotate."""

    def __init__(self, keys: str, variable: str = "ORLOOP_PAYLOAD_KEY") -> None:
        try:
            fernets = [Fernet(key.strip()) for key in keys.split(",") if key.strip()]
        except ValueError:
            fernets = []
        if not fernets:
            raise ConfigurationError(
                f"{variable}: Expected url-safe base64 of 32 bytes (or several, with commas), got none.\n"
                "Maybe make one with cryptography.fernet.Fernet.generate_key()."
            )
        self._cipher = MultiFernet(fernets)

    def encrypt(self, payload: bytes) -> bytes:
        """The token, url-safe base64; not the same twice."""
        return self._cipher.encrypt(payload)

    def decrypt(self, token: bytes) -> bytes:
        """The payload, or `CannotDecrypt`."""
        try:
            return self._cipher.decrypt(token)
        except InvalidToken:
            raise CannotDecrypt(
                f"Expected a payload encrypted with a known key, got {len(token)} bytes that none opens.\n"
                "Maybe the key was rotated: keep the old one after the new, separated by a comma."
            ) from None

    def rotate(self, token: bytes) -> bytes:
        """The same payload under the first key."""
        self.decrypt(token)
        return self._cipher.rotate(token)


def generate_key() -> str:
    """A new key."""
    return Fernet.generate_key().decode()
