"""Tables of predictions of many image files: listing of files, a journal that survives kills, and output formats."""
