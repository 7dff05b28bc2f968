"""Every metric of the gate."""

from orloop_common.runtime.metrics import counter, gauge, histogram

DECISIONS = counter("orloop_gate_decisions_total", "Decisions that this gate wrote, by verdict.", ["suite", "verdict"])
COMMANDS = counter("orloop_gate_commands_total", "Commands of people by kind and how they ended.", ["command", "end"])
COMMAND_SECONDS = histogram(
    "orloop_gate_command_seconds", "Seconds from a command's arrival to its folded record.", ["command"]
)
RECHECK_SECONDS = histogram(
    "orloop_gate_recheck_seconds",
    "Seconds for one look at whether an alternative still holds on the newest state.",
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0),
)
STOPPED = gauge("orloop_gate_stopped", "1 while a stop condition of the suite holds.", ["suite", "condition"])
OPEN = gauge("orloop_gate_open_proposals", "1 while a proposal is shown and waits for a decision.", ["suite"])
WITHHELD = gauge("orloop_gate_withheld_proposals", "1 while the newest proposal is kept from people.", ["suite"])
PROJECTED = counter("orloop_gate_projected_rows_total", "Rows that were written to the SQL projection.", ["table"])
PROJECTION_FAILURES = counter("orloop_gate_projection_failures_total", "Attempts to write to the database that failed.")
PROJECTION_BEHIND = gauge("orloop_gate_projection_behind_rows", "Rows that wait for the database.")

STOP_IDS = ("stale_ticks", "silent_feed", "downstream_congestion")
