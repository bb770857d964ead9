"""Models in memory and what runs them; knows nothing of HTTP beyond the errors it raises."""
