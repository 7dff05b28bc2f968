"""LightGBM, the bundle on disk, gRPC."""
