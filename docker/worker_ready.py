"""Health check of the worker container: exit code 0 if the broker has a recent heartbeat of it, otherwise 1."""

import socket
import sys

from core.errors import DuetError
from service.broker.url import configured_url
from service.jobs.store.heartbeats import Heartbeats
from service.jobs.store.redis_client import connect
from service.settings import read_settings

try:
    with connect(configured_url(read_settings()) or "") as client:
        heartbeats = [report for report in Heartbeats(client).all() if report.host == socket.gethostname()]
except DuetError as error:
    sys.exit(str(error))
if not heartbeats:
    sys.exit("the broker has no recent heartbeat of this worker")
print(*(report.model_dump_json() for report in heartbeats))
