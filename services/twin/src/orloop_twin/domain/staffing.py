"""Who is there: anaesthesia teams, one a room until 16:00, then 75, 45 and 25 % after 16, 18 and 20 h."""

from collections.abc import Sequence
from typing import Any

from orloop_common.domain.site import SuiteLayout

_STARTS = 7 * 3600
_REMAIN = ((16, 0.75), (18, 0.45), (20, 0.25), (22, 0.0))


def anaesthesia_roster(suite: SuiteLayout) -> list[dict[str, Any]]:
    """One entry a team; shifts in seconds from midnight."""
    rooms = len(suite.rooms)
    entries = []
    for number in range(rooms):
        ends = next(hour for hour, share in _REMAIN if number >= round(rooms * share))
        entries.append(
            {
                "team_id": f"A{number + 1:02d}",
                "role": "anaesthesia",
                "skills": ["general", "regional"],
                "shift_start": _STARTS,
                "shift_end": ends * 3600,
            }
        )
    return entries


def teams_at(roster: Sequence[dict[str, Any]], moment: int) -> int:
    """How many teams are on shift; the last one never leaves running patients alone."""
    return max(1, sum(1 for e in roster if e["shift_start"] <= moment < e["shift_end"]))
