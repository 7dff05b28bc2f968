"""`python -m orloop_ingest`."""

from .app import main

main()
