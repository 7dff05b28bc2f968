"""`python -m orloop_twin`."""

from .app import main

main()
