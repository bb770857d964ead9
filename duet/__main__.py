"""`python -m duet` is `duet`."""

from duet.cli import main

main()
