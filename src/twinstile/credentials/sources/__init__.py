"""Sources of trust lists: asked by the clock; what they tell goes the way of every list."""
