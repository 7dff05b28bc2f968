"""Proof of the door in, from the outside: load, bench, soak and fuzz against `python -m orloop_ingest`."""
