"""What was told becomes events: weighed against what is known, without guessing and without doing it twice. Pure."""

from .aging import age_out
from .outcome import Settled
from .settle import doubt, settle
from .sweeping import PARKED_TOO_LONG, Waiting, sweep, waiting

__all__ = ["PARKED_TOO_LONG", "Settled", "Waiting", "age_out", "doubt", "settle", "sweep", "waiting"]
