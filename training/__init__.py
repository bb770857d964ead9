"""Offline half: load -> fit -> export -> calibrate -> evaluate -> publish. torch lives here and only here."""
