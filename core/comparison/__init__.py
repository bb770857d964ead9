"""Two versions side by side, from what is stored of both: read -> check -> compare -> put into words."""
