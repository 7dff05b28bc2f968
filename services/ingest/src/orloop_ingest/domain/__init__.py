"""Pure: HL7 bytes to tokens, tokens to events. No IO, no clock, no log."""
