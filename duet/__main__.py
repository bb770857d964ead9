"""Entry point of `python -m duet`, the same command line as `duet`."""

from duet.cli import main

main()
