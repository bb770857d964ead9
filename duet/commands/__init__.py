"""The sub-commands of `duet`, a module each. They import what they need inside their functions, so that
`duet --help` is quick and every command works in an environment that has what that command needs.
"""
