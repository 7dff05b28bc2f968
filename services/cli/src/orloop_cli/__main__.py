"""`python -m orloop_cli` is `orloop`."""

from .main import main

if __name__ == "__main__":
    main()
