"""Every metric of write-back."""

from orloop_common.runtime.metrics import counter, gauge, histogram

EXCHANGES = counter("orloop_writeback_exchanges_total", "Changes sent to the hospital, by how that ended.", ["outcome"])
RETRIES = counter("orloop_writeback_retries_total", "Tries that the hospital did not answer.")
EXCHANGE_SECONDS = histogram(
    "orloop_writeback_exchange_seconds", "Seconds from the first try of a change to its acknowledgement."
)
ANSWERS = counter("orloop_writeback_answers_total", "Answers written to the log, by kind.", ["suite", "answer"])
PENDING = gauge("orloop_writeback_pending_changes", "Approved changes that the hospital has not echoed.", ["suite"])
ENABLED = gauge("orloop_writeback_enabled", "1 when approved changes are sent to the hospital.")
UNCONFIRMED = gauge(
    "orloop_writeback_unconfirmed_changes",
    "Accepted changes that the hospital never echoed; any is an alert.",
    ["suite"],
)
TASKS_READ = counter("orloop_writeback_tasks_read_total", "Looks at a Task in a hospital's inbox.", ["outcome"])
WORKLIST = gauge("orloop_writeback_worklist_lines", "Approved changes that people have to key in.", ["suite"])
WORKLIST_REQUESTS = counter("orloop_writeback_worklist_requests_total", "Requests at the worklist's door.", ["status"])
