"""OpenID provider for tests: discovery document, key set and tokens, over HTTP on this machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

AUDIENCE = "duet"


class Provider:
    """A provider that signs with `keys`.

    Attributes:
        requests: number of requests so far.
        fault: kind of wrong answers; empty for none. `hang` waits for `released`.
        hangs: set when a request waits.
        released: ends the fault `hang`.
    """

    def __init__(self, keys: list[RSAKey | ECKey]) -> None:
        self.keys = keys
        self.requests = 0
        self.fault = ""
        self.hangs = threading.Event()
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def issuer(self) -> str:
        """Issuer of the tokens."""
        return f"http://127.0.0.1:{self._server.server_port}/realms/test"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims of a valid token with changes; None removes a claim."""
        now = time.time()
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, "iat": now, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str, **changes: Any) -> str:
        """A token that is signed with the key `kid`."""
        key = next(key for key in self.keys if key.kid == kid)
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": kid}, self.claims(**changes), key)

    def close(self) -> None:
        """Stop listening; later calls have no effect."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _answer(self, path: str) -> tuple[int, bytes]:
        if self.fault == "hang":
            self.hangs.set()
            self.released.wait(30)
        document: dict[str, Any] = {"keys": []}
        if path == "/realms/test/.well-known/openid-configuration":
            document = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
            if self.fault == "issuer":
                document["issuer"] = "https://elsewhere.example"
            if self.fault == "http":
                document["jwks_uri"] = "ftp://127.0.0.1/keys"
        elif self.fault != "empty":
            document = dict(KeySet(list(self.keys)).as_dict(private=False))
        status = {"500": 500, "redirect": 302}.get(self.fault, 200)
        body = {"garbage": b"<html>", "huge": b" " * 2_000_000}.get(self.fault, json.dumps(document).encode())
        return status, body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.requests += 1
                status, body = owner._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "https://elsewhere.example/")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


@contextmanager
def provider(*keys: RSAKey | ECKey) -> Iterator[Provider]:
    """Run a provider with these keys."""
    running = Provider(list(keys))
    try:
        yield running
    finally:
        running.close()
