"""The only rooms of ingest that do IO: MLLP, HTTP, the durable writer."""
