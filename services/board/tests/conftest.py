"""Lets the board's tests share their made-up day."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
