"""`python -m orloop_replan`."""

from .app import main

if __name__ == "__main__":
    main()
