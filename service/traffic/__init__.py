"""Captured traffic: a random share of answered requests, stored in segment files under DUET_HOME/traffic."""
