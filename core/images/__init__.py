"""Image decoding and the pixel operations that training and serving share."""
