"""What the bytes of a delivery mean: pure readers, one a format."""
