"""The shared library: the suite's log and its fold, messages, runtime, testing."""
