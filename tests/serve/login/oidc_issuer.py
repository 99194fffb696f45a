"""A small OpenID Connect issuer on loopback, with real RSA keys: it logs in whom the test names, and lies as the test tells it to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "samovar-tests", "a secret of the client, long enough"


class StandInIssuer:
    """State of the issuer. `spoil` changes the claims, `sign` the signature, `description` the metadata."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.key = RSAKey.generate_key(2048, {"kid": "first"})
        self.subject, self.name = "subject-1", "Анна"
        self.codes: dict[str, dict[str, str]] = {}
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = self.sign_well
        self.description: dict[str, Any] = {}
        self.requests: list[str] = []

    def described(self) -> dict[str, Any]:
        return {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks", "response_types_supported": ["code"],
        } | self.description  # fmt: skip

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, query: dict[str, str]) -> str:
        """Log somebody in; return where the browser goes."""
        assert query["response_type"] == "code" and query["client_id"] == CLIENT and "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256" and len(query["nonce"]) >= 32 and len(query["state"]) >= 32
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Exchange a code, once, for whoever has the client's secret and the PKCE verifier."""
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        # the client's id and secret are form-encoded first (RFC 6749, 2.3.1); ours need it not for the id, the secret has spaces
        quoted = (
            "Basic " + base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+').replace(',', '%2C')}".encode()).decode()
        )
        if authorization not in (basic, quoted):
            return 401, {"error": "invalid_client"}
        query = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if query is None or challenge.rstrip(b"=").decode() != query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if form.get("redirect_uri") != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "sub": self.subject, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": query["nonce"], "preferred_username": self.name}  # fmt: skip
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(self.spoil(claims))}

    def sign_well(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def sign_with_another_key(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, RSAKey.generate_key(2048))

    def sign_with_the_secret(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), algorithms=["HS256"])

    def sign_with_the_public_key_as_secret(self, claims: dict[str, Any]) -> str:
        head, body = ({"alg": "HS256", "kid": self.key.kid}, claims)
        text = ".".join(_b64(json.dumps(part).encode()) for part in (head, body))
        import hmac

        mac = hmac.new(self.key.as_pem(private=False), text.encode(), hashlib.sha256).digest()
        return f"{text}.{_b64(mac)}"

    def do_not_sign(self, claims: dict[str, Any]) -> str:
        return ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def stand_in_issuer() -> Iterator[StandInIssuer]:
    """Run an issuer until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append(self.path)
            parts = urlsplit(self.path)
            if parts.path == "/.well-known/openid-configuration":
                self.answer(200, issuer.described())
            elif parts.path == "/jwks":
                self.answer(200, issuer.keys())
            elif parts.path == "/authorize":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", issuer.authorize(query))
                self.end_headers()
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*issuer.token(form, self.headers.get("Authorization", "")))

        def answer(self, status: int, record: dict[str, Any]) -> None:
            data = json.dumps(record).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = StandInIssuer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
