"""`python -m orloop_forecast`."""

from .app import main

if __name__ == "__main__":
    main()
