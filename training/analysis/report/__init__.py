"""The written report on two versions: missing records are made, read into one structure, put into words and drawn."""
