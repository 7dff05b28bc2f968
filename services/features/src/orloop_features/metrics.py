"""Every metric of the service."""

from orloop_common.runtime.metrics import counter, gauge, histogram

EMITTED = counter("orloop_features_emitted_total", "Statuses and features written because they changed.", ["topic"])
REDELIVERED = counter("orloop_features_redelivered_total", "Events that came again and were in the fold already.")
REFOLDED = counter("orloop_features_refolded_total", "Events read again from the log to complete a fold.")
SNAPSHOTS = counter("orloop_features_snapshots_total", "Folds written to the Faust table.", ["outcome"])
SNAPSHOT_BYTES = gauge("orloop_features_snapshot_bytes", "Size of the newest fold in the Faust table.", ["partition"])
EVENT_SECONDS = histogram(
    "orloop_features_event_seconds", "Wall time from an event out of Faust to the acknowledgement of its outputs."
)
