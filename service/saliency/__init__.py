"""Which pixels an answer hangs on: attribution methods over batched runs of a version's graphs."""
