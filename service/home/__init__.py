"""Backup, restore and check of a home."""
