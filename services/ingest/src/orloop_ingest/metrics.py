"""Every metric of ingest; no label holds a value of a message but the source, if the site file knows it."""

from orloop_common.runtime.metrics import counter, gauge, histogram

MESSAGES = counter(
    "orloop_ingest_messages_total",
    "HL7 messages by outcome: mapped, nothing, repeated, quarantined, refused.",
    ["source", "outcome"],
)
QUARANTINED = counter(
    "orloop_ingest_quarantined_total", "Messages kept raw and not applied, by reason; any is an alert.", ["reason"]
)
NOTES = counter("orloop_ingest_notes_total", "Oddities that did not stop a message, by kind.", ["note"])
FRAME_FAULTS = counter("orloop_ingest_frame_faults_total", "Breaches of MLLP framing, by kind.", ["kind"])
ACK_SECONDS = histogram("orloop_ingest_ack_seconds", "From a whole frame to its acknowledgement on the wire.")
NOT_DURABLE = counter(
    "orloop_ingest_not_durable_total", "Connections closed without acknowledgement: the broker did not confirm."
)
CONNECTIONS = gauge("orloop_ingest_connections", "Open MLLP connections.")
MANUAL = counter("orloop_ingest_manual_total", "Manual reports by kind and HTTP status.", ["kind", "status"])
TICKS = counter("orloop_ingest_ticks_total", "Ticks of event time written.", ["suite"])
FEED_SILENT = gauge("orloop_ingest_feed_silent", "1 while a source is silent in operating hours.", ["source"])
HEARD = gauge("orloop_ingest_heard_timestamp_seconds", "Event time at which a source was last heard.", ["source"])
UNOPENED = counter("orloop_ingest_identities_unopened_total", "Identity records that no configured key opens.")
FILES = counter(
    "orloop_ingest_files_total", "Files at the desk by kind: written, unchanged, faulty.", ["kind", "outcome"]
)
