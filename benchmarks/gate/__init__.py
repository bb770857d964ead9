"""Error rates of the promotion gate."""
