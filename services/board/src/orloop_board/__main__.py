"""`python -m orloop_board`."""

from .app import main

if __name__ == "__main__":
    main()
