"""The hospital's door in: HL7 v2 over MLLP and the manual door become events on the log."""
