"""What was told becomes events: weighed against what is known, without guessing and without doing it twice. Pure."""

from .outcome import Settled
from .settle import doubt, settle

__all__ = ["Settled", "doubt", "settle"]
