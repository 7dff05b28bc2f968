"""What features derives from a suite's day. Pure."""
