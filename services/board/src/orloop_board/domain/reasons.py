"""Reason codes that a person picks from when deciding against a recommendation."""

from orloop_common.domain.reasons import REASONS

REJECT: tuple[tuple[str, str], ...] = tuple(REASONS.items())
OVERRIDE: tuple[tuple[str, str], ...] = tuple(code for code in REJECT if code[0] != "current_plan_better")
CODES = frozenset(code for code, _ in REJECT)
