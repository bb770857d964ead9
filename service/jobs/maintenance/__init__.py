"""Periodic maintenance of jobs: reaping, retention and the leader lock."""
