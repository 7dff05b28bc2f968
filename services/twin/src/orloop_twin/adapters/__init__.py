"""The rooms that do IO: HL7 through hl7apy, MLLP, the manual door, the journal, data files."""
