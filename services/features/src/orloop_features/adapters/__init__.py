"""Faust and the log reader: the only rooms that talk to Kafka."""
