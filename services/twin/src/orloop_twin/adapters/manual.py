"""The manual door, as the charge nurse uses it: HTTP with a short-lived token; a retry is the same event."""

from datetime import datetime, timedelta
from typing import Any

import httpx

from orloop_common.runtime.auth import Role, Tokens
from orloop_common.runtime.clock import Clock
from orloop_twin.domain.feed import ManualReport
from orloop_twin.ports import LinkLost

_TIMES = frozenset({"at", "expected_until", "shift_start", "shift_end", "expected_discharges", "from", "to"})
_TRY_AGAIN = frozenset({401, 408, 425, 429})
_LIFETIME = timedelta(minutes=5)


class ManualDoor:
    """Posts reports for one suite."""

    def __init__(self, url: str, suite: str, secret: str, clock: Clock, midnight: datetime) -> None:
        self._suite, self._tokens, self._midnight = suite, Tokens(secret, clock), midnight
        self._client = httpx.AsyncClient(base_url=url, timeout=10.0, trust_env=False)
        self.refusal = ""

    async def report(self, report: ManualReport) -> bool:
        """True once the door has taken it, False if it never will; LinkLost to try again."""
        token = self._tokens.mint("charge-nurse", Role.BOARD_RUNNER, self._suite, _LIFETIME)
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": report.id}
        body = {key: self._spell(key, value) for key, value in report.body.items()}
        try:
            answer = await self._client.post(f"/v1/suites/{self._suite}/{report.path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise LinkLost(f"Expected an answer from the manual door, got {type(error).__name__}") from error
        if answer.status_code >= 500 or answer.status_code in _TRY_AGAIN:
            raise LinkLost(f"Expected 202 from the manual door, got {answer.status_code}")
        self.refusal = "" if answer.is_success else f"{answer.status_code} {answer.text[:300]}"
        return answer.is_success

    async def close(self) -> None:
        await self._client.aclose()

    def _spell(self, key: str, value: Any) -> Any:
        """Seconds from midnight as RFC 3339, wherever the key is that of a time."""
        if isinstance(value, dict):
            return {name: self._spell(name, part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._spell(key, part) for part in value]
        if key in _TIMES and isinstance(value, int):
            return (self._midnight + timedelta(seconds=value)).isoformat().replace("+00:00", "Z")
        return value
