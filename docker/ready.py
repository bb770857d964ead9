"""Health check of the service's container: exit code 0 if /readyz answers 200, else 1, with the reason."""

import os
import sys
from http.client import HTTPConnection

# Straight to the port: urllib would ask the proxy of the environment, where there is one.
connection = HTTPConnection("127.0.0.1", int(os.environ["DUET_PORT"]), timeout=2)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    print(answer.read().decode())
except OSError as error:
    sys.exit(f"no answer: {error}")
sys.exit(0 if answer.status == 200 else 1)
