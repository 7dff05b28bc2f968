"""What the gate decides, without IO: stop conditions, the check again on the newest fold, decisions, audit."""
