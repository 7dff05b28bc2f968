"""The hospital's door out: approved changes leave as SIU^S13 over MLLP."""
