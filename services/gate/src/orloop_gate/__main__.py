"""`python -m orloop_gate`."""

from .app import main

if __name__ == "__main__":
    main()
