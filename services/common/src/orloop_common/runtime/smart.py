"""SMART backend services: a token for system access, fetched with a signed assertion (private_key_jwt).

An `httpx.Auth` for the blocking client and for the asynchronous one: `httpx.Client(auth=SmartAuth(...))`.
Source: SMART App Launch 2.x, Backend Services and Client Authentication: Asymmetric.
"""

import secrets
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .clock import Clock
from .errors import ConfigurationError, OrloopError

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFE = timedelta(minutes=4)  # an assertion holds for five minutes at most
_EARLY = 30.0


class SmartRefused(OrloopError):
    """The authorisation server gave no token; the text holds its error code and nothing secret."""


class SmartAuth(httpx.Auth):
    """Adds `Authorization: Bearer`, renews the token before it ends, and once more after a 401.

    Parameters
    ----------
    token_url, client_id, scope
        As registered with the hospital's authorisation server, such as `system/Appointment.rs`.
    key
        The private key, PEM: RSA signs with RS384, P-384 with ES384.
    key_id
        The key's `kid` in our published key set.
    """

    requires_response_body = True

    def __init__(
        self, token_url: str, client_id: str, key: bytes, clock: Clock, scope: str, key_id: str | None = None
    ) -> None:
        self._token_url, self._client_id, self._scope, self._key_id = token_url, client_id, scope, key_id
        self._clock = clock
        self._key, self._algorithm = _private_key(key)
        self._token, self._until = "", 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The token's request where one is needed, then the request itself."""
        if not self._token or self._clock.monotonic() >= self._until:
            self._take((yield self._ask()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:  # it was revoked early
            self._take((yield self._ask()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def assertion(self) -> str:
        """The signed statement of who we are, good for one use."""
        now = self._clock.wall()
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._token_url,
            "iat": int(now.timestamp()),
            "exp": int((now + _LIFE).timestamp()),
            "jti": secrets.token_urlsafe(24),
        }
        headers = {"kid": self._key_id} if self._key_id else None
        return jwt.encode(claims, self._key, algorithm=self._algorithm, headers=headers)

    def _ask(self) -> httpx.Request:
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": ASSERTION,
            "client_assertion": self.assertion(),
        }
        return httpx.Request("POST", self._token_url, data=form, headers={"Accept": "application/json"})

    def _take(self, response: httpx.Response) -> None:
        try:
            told: Any = response.json()
        except ValueError:
            told = {}
        told = told if isinstance(told, dict) else {}
        token = told.get("access_token")
        if response.status_code >= 400 or not isinstance(token, str) or not token:
            code = str(told.get("error", ""))[:40]
            raise SmartRefused(
                f"Expected a token of the authorisation server, got {response.status_code} {code}".rstrip() + ".\n"
                "Maybe our public key is not registered there, or the scope is more than we were granted."
            )
        life = told.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else 300.0
        self._token, self._until = token, self._clock.monotonic() + max(1.0, seconds - _EARLY)


def read_key(path: Path, name: str = "key") -> bytes:
    """The bytes of a PEM file; a missing one is a configuration error."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{name}: Expected a file with a private key, got {type(error).__name__}.\nMaybe the path is wrong."
        ) from None


def _private_key(pem: bytes) -> tuple[Any, str]:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if isinstance(key, RSAPrivateKey):
        return key, "RS384"
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name == "secp384r1":
        return key, "ES384"
    raise ConfigurationError(
        "SMART: Expected a private key in PEM, RSA or P-384, got something else.\nMaybe it is the public half."
    )
