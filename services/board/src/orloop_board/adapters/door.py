"""The board's own door: a one-time link becomes a signed cookie; nothing is shown without one."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path

import jwt

from orloop_common.runtime.clock import Clock

HOLDS = timedelta(hours=16)
AUDIENCE = "orloop-board"


@dataclass(frozen=True, slots=True)
class Session:
    """Who looks at this screen: `viewer` or `board_runner`."""

    id: str
    role: str

    @property
    def may_act(self) -> bool:
        return self.role == "board_runner"


class Refusal(Enum):
    """Why a link opened nothing."""

    USED = "used"
    UNKNOWN = "unknown"


class Door:
    """Exchanges keys for sessions and tells sessions apart.

    The board runner's key opens once: the first browser takes it, and a marker file in the data
    directory says so to a restarted process. The viewer's key opens as often as it is used.
    """

    def __init__(self, secret: str, link_key: str, viewer_key: str | None, data: Path, clock: Clock) -> None:
        self._key = hmac.new(secret.encode(), b"board session\0" + link_key.encode(), hashlib.sha256).digest()
        self._link_key, self._viewer_key = link_key, viewer_key
        self._clock = clock
        name = hashlib.sha256(b"link\0" + link_key.encode()).hexdigest()[:16]
        self._marker = data / f"board-link-{name}.used"

    @property
    def used(self) -> bool:
        """Whether the board runner's link has been opened."""
        return self._marker.exists()

    def exchange(self, key: str, held: Session | None) -> str | Refusal:
        """A new cookie for a key; the held one's role again if it may open; or why not."""
        if self._viewer_key and hmac.compare_digest(key.encode(), self._viewer_key.encode()):
            return self._issue("viewer")
        if not hmac.compare_digest(key.encode(), self._link_key.encode()):
            return Refusal.UNKNOWN
        if held is not None and held.may_act:
            return self._issue("board_runner")
        try:
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return Refusal.USED
        return self._issue("board_runner")

    def _issue(self, role: str) -> str:
        until = int((self._clock.wall() + HOLDS).timestamp())
        claims = {"sid": secrets.token_urlsafe(18), "role": role, "exp": until, "aud": AUDIENCE}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def session(self, cookie: str | None) -> Session | None:
        """Whose cookie this is; None if it is absent, forged or too old."""
        if not cookie:
            return None
        try:
            claims = jwt.decode(
                cookie,
                self._key,
                algorithms=["HS256"],
                audience=AUDIENCE,
                options={"require": ["sid", "role", "exp", "aud"], "verify_exp": False},
            )
            session = Session(str(claims["sid"]), str(claims["role"]))
            ends = float(claims["exp"])
        except (jwt.PyJWTError, TypeError, ValueError):
            return None
        return session if self._clock.wall().timestamp() < ends else None

    def csrf(self, session: Session) -> str:
        """The token that a page of this session sends along with every command."""
        return hmac.new(self._key, b"csrf\0" + session.id.encode(), hashlib.sha256).hexdigest()

    def csrf_holds(self, session: Session, token: str | None) -> bool:
        """Whether a command came from a page of this session."""
        return hmac.compare_digest(self.csrf(session), token or "")
