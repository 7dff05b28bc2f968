"""Every metric of the twin."""

from orloop_common.runtime.metrics import counter, gauge, histogram

MESSAGES_SENT = counter("orloop_twin_messages_sent_total", "HL7 messages that ingest acknowledged.", ["trigger"])
MESSAGES_REFUSED = counter("orloop_twin_messages_refused_total", "HL7 messages answered with AE or AR.", ["trigger"])
LINK_FAILURES = counter("orloop_twin_link_failures_total", "Sends without an answer; each is tried again.", ["door"])
REPORTS = counter("orloop_twin_reports_total", "What the charge nurse entered at the manual door.", ["result"])
CHANGES = counter("orloop_twin_changes_total", "Changes that write-back asked for, by answer.", ["answer"])
WAITING = gauge("orloop_twin_waiting_messages", "HL7 messages said and not yet acknowledged.")
SEND_SECONDS = histogram("orloop_twin_send_seconds", "Wall seconds from sending a message to its acknowledgement.")
