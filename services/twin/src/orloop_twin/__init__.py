"""A simulated hospital that speaks HL7 over MLLP."""
