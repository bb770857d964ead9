"""What jobs cost while they run: how soon they begin, how soon they are heard of, and what predictions notice."""
