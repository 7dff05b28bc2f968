"""Bearer tokens at the FHIR door: signature, issuer, audience, time, and that none is shown twice."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt

from orloop_common.runtime.clock import Clock
from orloop_common.runtime.errors import TokenRefused
from orloop_common.runtime.logs import get_logger

from .fhir_sources import DoorRules

_log = get_logger("fhir")
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LEEWAY = timedelta(seconds=30)
LONGEST_LIFE = timedelta(hours=1)  # of a token that is shown once: what a thief could use it for is bounded
_ANEW = 60.0  # seconds before an unknown key id makes us read the key set again
_REMEMBERED = 200_000

Read = Callable[[str], Awaitable[bytes]]


class KeySet:
    """The issuer's public keys, from a file or a URL; read again when a token names a key that is new."""

    def __init__(self, place: str, clock: Clock, read: Read | None = None) -> None:
        self._place, self._clock, self._read = place, clock, read or _read
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._asked: float | None = None

    async def key(self, id: str | None) -> jwt.PyJWK:
        """The key of this id, or the only one there is.

        Raises
        ------
        TokenRefused
            If the issuer has no such key, or its keys cannot be had.
        """
        if (found := self._find(id)) is None and self._may_ask():
            await self._ask()
            found = self._find(id)
        if found is None:
            raise _refused(
                "one signed by a key of the issuer", "one of an unknown key", "its key set is not up to date"
            )
        return found

    def _find(self, id: str | None) -> jwt.PyJWK | None:
        if id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(id)

    def _may_ask(self) -> bool:
        return self._asked is None or self._clock.monotonic() - self._asked >= _ANEW

    async def _ask(self) -> None:
        self._asked = self._clock.monotonic()
        try:
            found = jwt.PyJWKSet.from_json((await self._read(self._place)).decode())
        except (httpx.HTTPError, OSError, ValueError, jwt.PyJWTError) as error:
            _log.error("keys_not_read", error=type(error).__name__)
            return
        self._keys = {key.key_id: key for key in found.keys}


async def _read(place: str) -> bytes:
    if not place.startswith(("https://", "http://")):
        return Path(place.removeprefix("file://")).read_bytes()
    async with httpx.AsyncClient(timeout=5, follow_redirects=False) as client:
        response = await client.get(place)
        response.raise_for_status()
        return response.content


class DoorTokens:
    """Verifies tokens of one source's issuer.

    A token that was seen is refused until it has ended; one from before this process began is refused as well, since
    nobody remembers whether it was seen. With `reuse` (a server's access token) both are left out.
    """

    def __init__(self, rules: DoorRules, clock: Clock, keys: KeySet | None = None) -> None:
        self._rules, self._clock = rules, clock
        self._keys = keys or KeySet(rules.jwks, clock)
        self._began = clock.wall().timestamp()
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def verify(self, token: str) -> None:
        """Return if the token opens the door.

        Raises
        ------
        TokenRefused
            If it is forged, of another issuer or audience, expired, from the future, or shown before.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise _refused("a token signed with a private key", "another algorithm", "it is a test's token")
            key = await self._keys.key(header.get("kid"))
            claims = self._claims(token, key, header["alg"])
            issued, ends = float(claims["iat"]), float(claims["exp"])
            started = float(claims.get("nbf", issued))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            name = type(error).__name__
            raise _refused("a token for this door", f"one that fails: {name}", "it is for another service") from None
        now, leeway = self._clock.wall().timestamp(), LEEWAY.total_seconds()
        if not now <= ends + leeway:
            raise _refused("a token that still holds", "one that has ended", "mint one for each request")
        if not max(issued, started) <= now + leeway:
            raise _refused("a token from the past", "one from the future", "the clocks of two machines disagree")
        if not self._rules.reuse:
            self._once(claims, issued, ends, now)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        required = ["iss", "aud", "iat", "exp", *([] if self._rules.reuse else ["jti"])]
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._rules.audience,
            issuer=self._rules.issuer,
            options={
                "require": required,
                "verify_exp": False,  # the three times are compared with the injected clock
                "verify_iat": False,
                "verify_nbf": False,
            },
        )

    def _once(self, claims: dict[str, Any], issued: float, ends: float, now: float) -> None:
        if ends - issued > LONGEST_LIFE.total_seconds():
            raise _refused("a token of an hour at most", "one that lasts longer", "it is an access token: set reuse")
        if issued < self._began - LEEWAY.total_seconds():
            raise _refused("a token from after this door opened", "an older one", "mint one for each request")
        name = str(claims["jti"])
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        if name in self._seen:
            raise _refused("a token that was not shown before", "one whose jti was", "mint one for each request")
        if len(self._seen) >= _REMEMBERED:
            raise _refused("fewer tokens in an hour", "too many", "set reuse and send access tokens")
        self._seen[name] = now + LONGEST_LIFE.total_seconds() + LEEWAY.total_seconds()


def _refused(expected: str, got: str, maybe: str) -> TokenRefused:
    return TokenRefused(f"Expected {expected}, got {got}.\nMaybe {maybe}.")
