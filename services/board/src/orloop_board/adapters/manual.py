"""The manual door of ingest over HTTP: what people report from the board."""

from datetime import datetime, timedelta

import httpx

from orloop_board.ports import Said
from orloop_common.runtime.auth import Role, Tokens

DEADLINE = 8.0


class ManualClient:
    """Reports, sent on in the name of the board's user."""

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        user: str,
        transport: httpx.BaseTransport | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._client = httpx.Client(base_url=url, timeout=deadline, transport=transport, trust_env=False)
        self._tokens, self._user = tokens, user

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def room_down(self, suite: str, room: str, cause: str, until: datetime | None, key: str) -> Said:
        fields = {"cause": cause} | ({"expected_until": until.isoformat()} if until else {})
        return self._post(suite, f"rooms/{room}/down", fields, key, f"Room {room} is reported down.")

    def room_restored(self, suite: str, room: str, key: str) -> Said:
        return self._post(suite, f"rooms/{room}/restored", {}, key, f"Room {room} is reported back.")

    def replan(self, suite: str, reason: str, key: str) -> Said:
        return self._post(suite, "replan", {"reason": reason}, key, "A new plan is asked for; the answer appears here.")

    def _post(self, suite: str, path: str, fields: dict[str, str], key: str, done: str) -> Said:
        token = self._tokens.mint(self._user, Role.BOARD_RUNNER, suite, timedelta(minutes=1))
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
        try:
            answer = self._client.post(f"/v1/suites/{suite}/{path}", json=fields, headers=headers)
        except httpx.TimeoutException:
            return Said(False, "The door for reports did not answer in time. Look at the board before you try again.")
        except httpx.TransportError:
            return Said(False, "The door for reports does not answer. Nothing was reported: try again in a moment.")
        if answer.is_success:
            return Said(True, done)
        return Said(False, _why(answer))


def _why(answer: httpx.Response) -> str:
    try:
        told = answer.json()
        return (
            " ".join(str(told[k]).strip() for k in ("error", "hint") if told.get(k))
            or f"Refused ({answer.status_code})."
        )
    except (ValueError, AttributeError, TypeError):
        return f"The report was refused ({answer.status_code})."
