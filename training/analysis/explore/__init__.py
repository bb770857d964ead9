"""What a newcomer asks of a data set: counts, values, pictures of every class, duplicates."""
