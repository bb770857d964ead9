"""Shadow trials: their requests, ends and counts, in DUET_HOME/trials."""
