"""Room state, case state and case features from the log (Faust)."""
