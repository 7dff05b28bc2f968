"""The hospital itself: its day, its processes, what it says. No IO."""
