"""`python -m orloop_writeback`."""

from .app import main

if __name__ == "__main__":
    main()
