"""Every metric of the service."""

from orloop_common.runtime.metrics import counter, gauge, histogram

TRIGGERS = counter("orloop_replan_triggers_total", "Events that asked for a re-plan, by type.", ["type"])
ANSWERS = counter("orloop_replan_answers_total", "Answers to triggers: proposal or no_change.", ["suite", "answer"])
SOLVE_SECONDS = histogram(
    "orloop_replan_solve_seconds",
    "Wall time from a job's start to its answer, by path (price_and_fix, reference, why_not or right_shift).",
    ["path"],
    buckets=(0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0),
)
ANSWER_SECONDS = histogram(
    "orloop_replan_answer_seconds",
    "Wall time from the first unanswered trigger seen to the answer handed to the outbox.",
    buckets=(0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 30.0),
)
CANCELLED = counter("orloop_replan_cancelled_total", "Solves that were dropped because a newer trigger came.")
UNANSWERED = gauge("orloop_replan_unanswered", "Triggers that wait for an answer.", ["suite"])
ALTERNATIVES = histogram("orloop_replan_alternatives", "Alternatives in a proposal.", buckets=(0, 1, 2, 3))
BACKUPS = counter(
    "orloop_replan_backups_total", "Back-ups worked out ahead of time: found, interrupted, used.", ["outcome"]
)
