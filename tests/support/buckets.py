"""S3 server for tests (moto), with one bucket that can be emptied and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "duet-models"


@dataclass(frozen=True)
class Bucket:
    """The bucket.

    Attributes:
        client: boto3's client.
        endpoint: URL of the server.
    """

    client: Any
    endpoint: str

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/team/models"

    def keys(self) -> list[str]:
        """Keys of all objects."""
        return sorted(each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", []))

    def create(self) -> None:
        self.client.create_bucket(Bucket=BUCKET)

    def delete(self) -> None:
        """Delete the bucket with all objects."""
        for key in self.keys():
            self.client.delete_object(Bucket=BUCKET, Key=key)
        self.client.delete_bucket(Bucket=BUCKET)


@contextmanager
def bucket_server() -> Iterator[Bucket]:
    """A server with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        bucket = Bucket(client, endpoint)
        bucket.create()
        yield bucket
    finally:
        server.stop()


def use(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables by which commands find the bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
