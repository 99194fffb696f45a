"""An issuer of OpenID Connect: finding it, sending people there, and checking what they come back with. Knows nothing about HTTP routes or the store.

Authorization code flow with PKCE (S256), `state` and `nonce`. Sources: OpenID Connect Core 1.0 (3.1.3.7 for the ID token's checks), Discovery 1.0, RFC 7636, RFC 9207,
RFC 9700. Blocking: call it in a thread. It is the only part of the server that reaches out, and only to the issuer the operator named.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samovar.errors import IssuerError, MissingExtraError, NotAuthenticatedError, UsageError
from samovar.settings import ServeSettings

FRESH_SECONDS = 3600.0  # how long the issuer's description and keys are believed
TIMEOUT = 10.0  # seconds, for one answer of the issuer
LEEWAY = 60  # seconds two clocks may differ
SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Public-key signatures only: with HS256 the client's secret, or a public key taken for one, could sign."""

LARGEST_ANSWER = 2**20  # bytes
DESCRIPTION = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at an issuer: `subject` never changes, `name` may."""

    issuer: str
    subject: str
    name: str


class Issuer:
    """The issuer of the settings. Thread-safe."""

    def __init__(self, settings: ServeSettings) -> None:
        self.url = settings.oidc_issuer.rstrip("/")
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._described: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, Any] | None = None
        self._guard = threading.Lock()
        if not self._client_id:
            raise UsageError("expected serve.oidc_client_id beside serve.oidc_issuer, found none. Set it.")

    # -- the way there ----------------------------------------------------------------------------------------------
    def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return where to send the browser."""
        with self._session(redirect_uri) as session:
            address = self._endpoint("authorization_endpoint")
            url, _ = session.create_authorization_url(address, state=state, nonce=nonce, code_verifier=verifier)
            return str(url)

    # -- the way back -----------------------------------------------------------------------------------------------
    def identify(self, redirect_uri: str, code: str, nonce: str, verifier: str) -> Identity:
        """Exchange the code the browser came back with, and return whom the ID token names.

        Raises:
            NotAuthenticatedError: the code or the token is not good.
            IssuerError: the issuer cannot be reached.
        """
        from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped, unused-ignore]
        from requests import RequestException

        try:
            with self._session(redirect_uri) as session:
                answer = session.fetch_token(
                    self._endpoint("token_endpoint"),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                )
        except OAuthError as error:
            raise _refused(f"the issuer said {error.error}") from error
        except (RequestException, ValueError) as error:
            raise self._unreachable(error) from error
        token = answer.get("id_token") if isinstance(answer, Mapping) else None
        if not isinstance(token, str):
            raise _refused("there is no ID token")
        claims = self.check_token(token, nonce)
        return Identity(self.url, str(claims["sub"]), _name_in(claims))

    def check_token(self, token: str, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token that is signed by the issuer, for us, for this login, now. Raises `NotAuthenticatedError`."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            try:
                claims = jwt.decode(token, self._key_set(), algorithms=SIGNATURES).claims
            except (JoseError, ValueError):  # perhaps the issuer has new keys
                claims = jwt.decode(token, self._key_set(anew=True), algorithms=SIGNATURES).claims
            known = jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": self._description()["issuer"]},
                sub={"essential": True},
                aud={"essential": True, "value": self._client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            known.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise _refused(f"the ID token is not good ({type(error).__name__})") from error
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._client_id:
            raise _refused("the ID token was made for another client")
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise _refused("the ID token names nobody")
        return dict(claims)

    # -- the issuer -------------------------------------------------------------------------------------------------
    def _session(self, redirect_uri: str) -> Any:
        try:
            from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise MissingExtraError("serve", "OpenID Connect") from error
        method = "client_secret_basic" if self._secret else "none"
        return OAuth2Session(
            self._client_id,
            self._secret or None,
            token_endpoint_auth_method=method,
            scope="openid profile email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )

    def _endpoint(self, name: str) -> str:
        return str(self._description()[name])

    def _description(self) -> dict[str, Any]:
        with self._guard:
            if self._described is None or time.monotonic() - self._described[0] > FRESH_SECONDS:
                self._described = (time.monotonic(), self._checked(self._get(self.url + DESCRIPTION)))
            return self._described[1]

    def _checked(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return the issuer's description of itself if it can be used."""
        if str(found.get("issuer", "")).rstrip("/") != self.url:
            raise IssuerError(f"expected the issuer {self.url}, found it naming itself otherwise.")
        schemes = ("https://",) if self.url.startswith("https:") else ("https://", "http://")
        for name in ENDPOINTS:
            if not str(found.get(name)).startswith(schemes):
                raise IssuerError(f"expected an address ({schemes[0]}…) as {name} of {self.url}, found none.")
        return found

    def _key_set(self, anew: bool = False) -> Any:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        address = self._endpoint("jwks_uri")
        with self._guard:
            if anew or self._keys is None or time.monotonic() - self._keys[0] > FRESH_SECONDS:
                found: Any = self._get(address)
                try:
                    self._keys = (time.monotonic(), KeySet.import_key_set(found))
                except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
                    raise self._unreachable(error) from error
            return self._keys[1]

    def _get(self, address: str) -> dict[str, Any]:
        import requests

        try:
            with requests.get(address, timeout=TIMEOUT, allow_redirects=False, stream=True) as answer:
                answer.raise_for_status()
                data = answer.raw.read(LARGEST_ANSWER + 1, decode_content=True)
                if answer.status_code != 200 or len(data) > LARGEST_ANSWER:
                    raise ValueError(f"status {answer.status_code}, {len(data)} bytes")
                found = json.loads(data)
        except (requests.RequestException, ValueError) as error:
            raise self._unreachable(error) from error
        if not isinstance(found, dict):
            raise self._unreachable(ValueError("no JSON object"))
        return found

    def _unreachable(self, error: Exception) -> IssuerError:
        return IssuerError(
            f"expected the OpenID Connect issuer {self.url} to answer, found: {type(error).__name__}. Try again, or log in with a password."
        )


def _name_in(claims: Mapping[str, Any]) -> str:
    for key in ("preferred_username", "name", "email"):
        value = claims.get(key)
        if isinstance(value, str) and value.strip():
            return value.partition("@")[0] if key == "email" else value
    return ""


def _refused(why: str) -> NotAuthenticatedError:
    return NotAuthenticatedError(
        f"expected a login by OpenID Connect, found one that cannot be believed: {why}. Log in again."
    )
