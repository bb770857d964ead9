"""Sub-commands of `duet`, one module each.

Imports are inside the functions, so that `duet --help` is fast and each command needs only its own packages.
"""
