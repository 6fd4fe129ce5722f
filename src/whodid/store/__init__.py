"""Ground truth: the store promise and its engines."""
