"""The rooms that do IO, and the one that speaks through hl7apy."""
