"""What the board shows, worked out from what the topics know: pure, no IO, no clock."""
