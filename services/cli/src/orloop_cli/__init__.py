"""The orloop command and the launcher of the demo."""
