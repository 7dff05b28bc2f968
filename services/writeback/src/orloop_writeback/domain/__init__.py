"""What leaves for the hospital, when, and what its answers mean: without IO."""
