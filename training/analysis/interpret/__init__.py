"""What the networks look at and look for: attribution maps, how far to trust them, and images that excite them most."""
