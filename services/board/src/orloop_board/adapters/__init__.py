"""The rooms that do IO: the web, the board's own door, the gate, the manual door."""
