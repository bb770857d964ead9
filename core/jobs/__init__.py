"""Jobs: parameters, records, and the messages between the child process and the worker."""
