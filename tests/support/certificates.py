"""Self-signed certificates for TLS servers in tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


def write_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Write a certificate for a host name and its key, both as PEM."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out",
            str(certificate), "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key
