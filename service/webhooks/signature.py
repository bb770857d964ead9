"""Signature of webhooks by the Standard Webhooks specification, with HMAC-SHA256.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable


def signature_headers(message_id: str, seconds: int, body: bytes, secrets: Iterable[bytes]) -> dict[str, str]:
    """Headers that identify and sign one attempt; there is one signature for each secret, so that it can be rotated.

    Args:
        message_id: the same for all attempts.
        seconds: time of the attempt, since the epoch.
        body: the bytes that are sent.
        secrets: decoded secrets.
    """
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = [b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
