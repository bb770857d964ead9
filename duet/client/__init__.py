"""`duet.Client`: the service from Python, a file for each thing that it is asked for."""
