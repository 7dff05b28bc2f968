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
IDENTITIES = gauge("orloop_ingest_identities", "Cases whose sender ids are in memory.")
AGED_OUT = counter("orloop_ingest_identities_aged_out_total", "Cases whose ids were forgotten: long past.")
FILES = counter(
    "orloop_ingest_files_total", "Files at the desk by kind: written, unchanged, faulty.", ["kind", "outcome"]
)
COMMIT_SECONDS = histogram("orloop_ingest_commit_seconds", "One group of messages written to the journal and synced.")
JOURNAL_FAILURES = counter(
    "orloop_ingest_journal_failures_total", "Groups that the disk did not take: connections closed unanswered."
)
JOURNAL_WAITING = gauge("orloop_ingest_journal_waiting", "Acknowledged messages that are not on the broker yet.")
JOURNAL_BYTES = gauge("orloop_ingest_journal_bytes", "Disk that the journal takes.")
JOURNAL_DAMAGED = gauge("orloop_ingest_journal_damaged", "Segments of the journal that ended in a torn record.")
JOURNAL_HELD = gauge(
    "orloop_ingest_journal_held", "1 while another journal of our sources is open: nothing is emitted until then."
)
LOG_UNREAD = gauge(
    "orloop_ingest_log_unread",
    "1 while messages are taken and acknowledged before the log could be read: none of them is mapped until then.",
)
BACK_PRESSURE = gauge("orloop_ingest_back_pressure", "1 while the journal is full and senders are kept waiting.")
LATE = counter("orloop_ingest_late_total", "Connections closed because an answer would have come too late.")
REPLACED = counter("orloop_ingest_connections_replaced_total", "Half-open connections that a newer one replaced.")
REFUSED_CONNECTIONS = counter("orloop_ingest_connections_refused_total", "Connections over the limit, closed at once.")
PROBES = counter("orloop_ingest_probes_total", "Connections that said nothing and closed: load balancers' probes.")
DELIVERY_REFUSED = counter(
    "orloop_ingest_delivery_refused_total", "Records that the broker refused for good, by topic.", ["topic"]
)
RAW_SHOWN = counter("orloop_ingest_raw_shown_total", "Raw messages that a person looked into: masked, phi.", ["how"])
REREAD = counter(
    "orloop_ingest_reread_total",
    "Kept messages read again: mended, added, unchanged, still in quarantine, worse, skipped.",
    ["outcome"],
)
SOURCE_AGE = gauge("orloop_ingest_source_age_seconds", "Event time since a source was last heard.", ["source"])
SOURCE_RATE = gauge(
    "orloop_ingest_source_usual_messages", "Messages that a source usually sends this hour.", ["source"]
)
SOURCE_SKEW = gauge(
    "orloop_ingest_source_skew_seconds", "Median of received minus MSH-7: a clock that is off, or slow.", ["source"]
)
SEQUENCE_GAPS = counter("orloop_ingest_sequence_gaps_total", "Numbers that MSH-13 left out.", ["source"])
QUARANTINE_OPEN = gauge("orloop_ingest_quarantine_open", "Messages in quarantine that wait for a person.")
QUARANTINE_AGE = gauge("orloop_ingest_quarantine_oldest_seconds", "Age of the oldest message in quarantine.")
FHIR = counter(
    "orloop_ingest_fhir_total",
    "FHIR resources by outcome: mapped, nothing, quarantined.",
    ["source", "type", "outcome"],
)
FHIR_REFUSED = counter(
    "orloop_ingest_fhir_refused_total", "Requests that the FHIR door refused, by reason and HTTP status.", ["status"]
)
FHIR_INVALID = counter(
    "orloop_ingest_fhir_invalid_total",
    "Resources that the R4 models find fault with, after the answer.",
    ["source", "type"],
)
FHIR_UNCHECKED = counter("orloop_ingest_fhir_unchecked_total", "Model checks left out because too many waited.")
FHIR_MISSING = counter(
    "orloop_ingest_fhir_events_missing_total",
    "Subscription events that were skipped; each gap is asked for.",
    ["source"],
)
FHIR_ROUNDS = counter(
    "orloop_ingest_fhir_rounds_total", "Polling rounds by outcome: whole, failed.", ["source", "outcome"]
)
FHIR_ASKED = gauge(
    "orloop_ingest_fhir_asked_timestamp_seconds", "Wall time at which a server was last asked to the end.", ["source"]
)
WAITING = gauge(
    "orloop_ingest_waiting",
    "What waits for its sender or a person: parked (its case is unknown), told_again (sent again, or moved back?).",
    ["suite", "kind"],
)
WAITING_AGE = gauge(
    "orloop_ingest_waiting_oldest_seconds",
    "Age of the oldest of those; an alarm from an hour on for parked, from ten minutes on for told_again.",
    ["suite", "kind"],
)
