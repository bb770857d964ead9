"""What a job is told and what it tells: parameters, and the messages between its child process and its worker."""
