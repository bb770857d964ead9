"""What a change of champion does to the requests that run meanwhile."""
