"""The rooms that do IO: gRPC and SQL."""
