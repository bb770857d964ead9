"""Health check of the service and proxy containers: exit code 0 if /readyz returns 200, otherwise 1."""

import os
import sys
from http.client import HTTPConnection

# http.client, because urllib would use the proxy of the environment.
connection = HTTPConnection("127.0.0.1", int(os.environ["DUET_PORT"]), timeout=2)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    print(answer.read().decode())
except OSError as error:
    sys.exit(f"no answer: {error}")
sys.exit(0 if answer.status == 200 else 1)
