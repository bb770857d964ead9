"""Commands and code of the section Webhooks in docs/operations.md."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from service.security.webhook_settings import parse_signing_secrets
from service.webhooks.signature import signature_headers
from tests.support.markdown import blocks
from tests.support.receivers import SECRET

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"


def block(runner: str) -> str:
    """Code of the block that names the test."""
    (found,) = [each.text for each in blocks(PAGE) if each.said.endswith(runner)]
    return found


def test_documented_command_makes_a_secret() -> None:
    command = block("test_documented_command_makes_a_secret")
    made = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True).stdout.strip()
    assert len(parse_signing_secrets(made)[0]) == 32


def test_documented_receiver_verifies_a_webhook() -> None:
    names: dict[str, object] = {}
    exec(block("test_documented_receiver_verifies_a_webhook"), names)
    receive = names["receive"]
    assert callable(receive)
    body = b'{"type":"job.failed"}'
    headers = signature_headers("msg_1", int(time.time()), body, parse_signing_secrets(SECRET))
    assert receive(SECRET, headers, body) == "job.failed"
    with pytest.raises(WebhookVerificationError):
        receive(SECRET, headers, b'{"type":"job.succeeded"}')
