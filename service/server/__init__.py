"""The server process: uvicorn, worker processes, connections and the start of local jobs."""
