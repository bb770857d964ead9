"""Health check of the worker's container: exit code 0 if the broker has heard of it lately, else 1, with the reason."""

import os
import socket
import sys

from core.errors import DuetError
from service.jobs.store.heartbeats import Heartbeats
from service.jobs.store.redis_client import connect

try:
    with connect(os.environ["DUET_REDIS_URL"]) as client:
        heard = [report for report in Heartbeats(client).all() if report.host == socket.gethostname()]
except DuetError as error:
    sys.exit(str(error))
if not heard:
    sys.exit("the broker has not heard of this worker lately")
print(*(report.model_dump_json() for report in heard))
