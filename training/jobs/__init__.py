"""The child process of a job: does what its worker asks, tells what happens, and never outlives it."""
