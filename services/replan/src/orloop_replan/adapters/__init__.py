"""The rooms that do IO or speak to libraries without types."""
