"""Short-lived signed tokens (JWT, HS256): who acts, in which role, for which suite."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt

from .clock import Clock
from .errors import ConfigurationError, TokenRefused

AUDIENCE = "orloop"
LEEWAY = timedelta(seconds=10)
EVERY_SUITE = "*"


class Role(StrEnum):
    """What a token's bearer may do."""

    VIEWER = "viewer"
    BOARD_RUNNER = "board_runner"
    INTERFACE_ANALYST = "interface_analyst"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a verified token speaks for. `suite` `*` means every suite."""

    user: str
    role: Role
    suite: str

    def may_act_on(self, suite: str) -> bool:
        """Whether the token is for this suite."""
        return self.suite in (suite, EVERY_SUITE)


class Tokens:
    """Mints and verifies tokens under one secret, on the wall clock of the injected clock."""

    def __init__(self, secret: str, clock: Clock) -> None:
        if len(secret.encode()) < 32:
            raise ConfigurationError(
                f"ORLOOP_TOKEN_SECRET: Expected at least 32 bytes, got {len(secret.encode())}.\n"
                "Maybe make one with secrets.token_urlsafe(32)."
            )
        self._secret = secret
        self._clock = clock

    def mint(self, user: str, role: Role, suite: str, ttl: timedelta = timedelta(minutes=15)) -> str:
        """A token for this user that holds for `ttl` of wall time."""
        now = self._clock.wall()
        claims = {
            "sub": user,
            "role": role.value,
            "suite": suite,
            "iat": int(now.timestamp()),
            "exp": int((now + ttl).timestamp()),
            "aud": AUDIENCE,
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def verify(self, token: str, *, roles: Collection[Role] = tuple(Role), suite: str | None = None) -> Principal:
        """Who the token speaks for.

        Raises
        ------
        TokenRefused
            If it is forged, expired, from the future, for another audience, role or suite.
        """
        principal = self._read(token)
        if principal.role not in roles:
            wanted = " or ".join(sorted(role.value for role in roles))
            raise TokenRefused(
                f"Expected a token of a {wanted}, got one of a {principal.role.value}.\n"
                "Maybe open the board with the board runner's link."
            )
        if suite is not None and not principal.may_act_on(suite):
            raise TokenRefused(
                f"Expected a token for suite {suite}, got one for suite {principal.suite}.\n"
                "Maybe choose the suite on the board."
            )
        return principal

    def _read(self, token: str) -> Principal:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                options={
                    "require": ["sub", "role", "suite", "iat", "exp", "aud"],
                    "verify_exp": False,  # both are checked below, on the injected clock
                    "verify_iat": False,
                },
            )
            principal = Principal(str(claims["sub"]), Role(claims["role"]), str(claims["suite"]))
            issued, expires = _time(claims["iat"]), _time(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError) as error:
            raise TokenRefused(
                f"Expected a token that this mesh signed, got one that fails: {type(error).__name__}.\n"
                "Maybe it is from an earlier run: open the board's newest link."
            ) from None
        now = self._clock.wall()
        if now > expires + LEEWAY:
            raise TokenRefused(
                f"Expected a token that still holds, got one that ended at {expires:%H:%M:%S}Z.\nMaybe reload."
            )
        if issued > now + LEEWAY:
            raise TokenRefused(
                f"Expected a token from the past, got one issued at {issued:%H:%M:%S}Z.\n"
                "Maybe the clocks of two machines disagree."
            )
        return principal


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer` header."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused("Expected the header 'Authorization: Bearer TOKEN', got none.\nMaybe sign in first.")
    return token.strip()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
