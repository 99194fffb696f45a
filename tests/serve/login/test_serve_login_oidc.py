"""Logging in by OpenID Connect, against a stand-in issuer on loopback that signs with a real RSA key; and against its lies."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from oidc_issuer import CLIENT, SECRET, StandInIssuer, stand_in_issuer
from serve_harness import Running

LOGIN = "/api/samovar/oidc/login"


@pytest.fixture
def issuer() -> Iterator[StandInIssuer]:
    with stand_in_issuer() as running:
        yield running


@pytest.fixture
def running(serve: Any, issuer: StandInIssuer) -> Running:
    made: Running = serve(accounts=True, oidc_issuer=issuer.url, oidc_client_id=CLIENT, oidc_client_secret=SECRET, oidc_role="editor")  # fmt: skip
    return made


def go(browser: httpx.Client) -> httpx.Response:
    """Take a browser to the issuer and back; return what the way back answered."""
    there = browser.get(LOGIN)
    assert there.status_code == 303, there.text
    back = httpx.get(there.headers["location"], trust_env=False)
    return browser.get(back.headers["location"])


def who(browser: httpx.Client) -> Any:
    answer = browser.get("/api/samovar/account")
    return answer.json()["user"] if answer.status_code == 200 else None


def test_the_first_login_makes_an_account_the_next_finds_it(running: Running, issuer: StandInIssuer) -> None:
    browser = running.client()
    answer = go(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    first = who(browser)
    assert (first["name"], first["role"], first["has_password"]) == ("Анна", "editor", False)
    issuer.name = "Анна Новая"
    again = running.client()
    go(again)
    assert who(again) == first
    issuer.subject = "subject-2"
    third = running.client()
    go(third)
    assert who(third)["id"] != first["id"] and running.state.store.accounts.count() == 6
    assert "samovar_oidc" not in browser.cookies


def test_an_account_of_the_same_name_is_not_taken_over(running: Running, issuer: StandInIssuer) -> None:
    issuer.name = "admin"
    browser = running.client()
    go(browser)
    assert (who(browser)["name"], who(browser)["role"]) == ("admin-2", "editor")


def test_the_browser_is_sent_with_state_nonce_and_a_challenge(running: Running, issuer: StandInIssuer) -> None:
    browser = running.client()
    answer = browser.get(LOGIN)
    query = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert query["redirect_uri"] == running.url + "/api/samovar/oidc/callback"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/api/samovar/oidc" in cookie
    mark, nonce, verifier = json.loads(base64.urlsafe_b64decode(answer.cookies["samovar_oidc"]))
    assert (query["state"], query["nonce"]) == (mark, nonce)
    assert verifier not in answer.headers["location"] and SECRET not in answer.headers["location"]
    other = running.client().get(LOGIN)
    assert other.headers["location"] != answer.headers["location"]


LIES: dict[str, Any] = {
    "another nonce": lambda claims: claims | {"nonce": "x" * 43},
    "no nonce": lambda claims: {k: v for k, v in claims.items() if k != "nonce"},
    "another client": lambda claims: claims | {"aud": "another"},
    "many clients": lambda claims: claims | {"aud": [CLIENT, "another"]},
    "many clients, made for another": lambda claims: claims | {"aud": [CLIENT, "another"], "azp": "another"},
    "another issuer": lambda claims: claims | {"iss": "https://issuer.example"},
    "expired": lambda claims: claims | {"exp": int(time.time()) - 120},
    "no expiry": lambda claims: {k: v for k, v in claims.items() if k != "exp"},
    "from the future": lambda claims: claims | {"iat": int(time.time()) + 3600},
    "nobody": lambda claims: claims | {"sub": ""},
    "a number": lambda claims: claims | {"sub": 7},
    "no subject": lambda claims: {k: v for k, v in claims.items() if k != "sub"},
    "a long subject": lambda claims: claims | {"sub": "x" * 300},
}


@pytest.mark.parametrize("lie", LIES)
def test_tokens_that_say_something_else_are_refused(running: Running, issuer: StandInIssuer, lie: str) -> None:
    issuer.spoil = LIES[lie]
    browser = running.client()
    answer = go(browser)
    assert answer.status_code == 401 and "samovar_session" not in answer.headers.get("set-cookie", "")
    assert who(browser) is None and running.state.store.accounts.count() == 4


@pytest.mark.parametrize("sign", ["sign_with_another_key", "sign_with_the_secret", "sign_with_the_public_key_as_secret", "do_not_sign"])  # fmt: skip
def test_tokens_the_issuer_did_not_sign_are_refused(running: Running, issuer: StandInIssuer, sign: str) -> None:
    issuer.sign = getattr(issuer, sign)
    browser = running.client()
    assert go(browser).status_code == 401
    assert who(browser) is None and running.state.store.accounts.count() == 4


def test_one_client_among_several_is_fine_when_it_is_named(running: Running, issuer: StandInIssuer) -> None:
    issuer.spoil = lambda claims: claims | {"aud": [CLIENT, "another"], "azp": CLIENT}
    browser = running.client()
    assert go(browser).status_code == 303 and who(browser)["name"] == "Анна"


def test_new_keys_of_the_issuer_are_fetched(running: Running, issuer: StandInIssuer) -> None:
    go(running.client())
    issuer.key = RSAKey.generate_key(2048, {"kid": "second"})
    browser = running.client()
    assert go(browser).status_code == 303 and who(browser) is not None
    assert len([path for path in issuer.requests if path == "/jwks"]) == 2
    assert len([path for path in issuer.requests if path.endswith("openid-configuration")]) == 1


def test_a_login_is_finished_only_by_the_browser_that_began_it(running: Running, issuer: StandInIssuer) -> None:
    """An attacker who sends their own way back to a victim does not log the victim in as themselves."""
    attacker, victim = running.client(), running.client()
    back = httpx.get(attacker.get(LOGIN).headers["location"], trust_env=False).headers["location"]
    assert victim.get(back).status_code == 401
    victim.get(LOGIN)
    assert victim.get(back).status_code == 401 and who(victim) is None
    code = parse_qs(urlsplit(back).query)["code"][0]
    assert attacker.get(f"/api/samovar/oidc/callback?code={code}").status_code == 401
    assert attacker.get(f"/api/samovar/oidc/callback?code={code}&state=").status_code == 401
    assert issuer.codes, "the code was never sent to the issuer"
    assert attacker.get(back).status_code == 303
    assert attacker.get(back).status_code == 401, "a code and its cookie work once"


@pytest.mark.parametrize("cookie", ["x", "W10=", "e30=", "bnVsbA==", "\xff", "A" * 5000])
def test_a_spoilt_cookie_is_no_login(running: Running, cookie: str) -> None:
    headers = {"Cookie": b"samovar_oidc=" + cookie.encode("latin-1")}
    answer = running.client().get("/api/samovar/oidc/callback?code=c&state=s", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 401


def test_who_says_no_at_the_issuer_is_back_at_the_login_page(running: Running, issuer: StandInIssuer) -> None:
    browser = running.client()
    mark = parse_qs(urlsplit(browser.get(LOGIN).headers["location"]).query)["state"][0]
    answer = browser.get("/api/samovar/oidc/callback", params={"error": "access_denied&x=//evil", "state": mark})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?refused=access_denied%26x%3D%2F%2Fevil")


def test_a_disabled_account_stays_out(running: Running) -> None:
    browser = running.client()
    go(browser)
    user = running.state.store.accounts.by_name("Анна")
    assert user is not None
    running.state.store.accounts.set_disabled(user.id, True)
    assert who(browser) is None
    answer = go(running.client())
    assert answer.status_code == 401 and "disabled" in answer.text


@pytest.mark.parametrize(
    "description",
    [{"issuer": "https://another.example"}, {"authorization_endpoint": None}, {"authorization_endpoint": "javascript:alert(1)"}, {"jwks_uri": 7}, {"pad": "x" * 2_000_000}],
    ids=["another issuer", "no endpoint", "no address", "a number", "too large"],
)  # fmt: skip
def test_an_issuer_that_describes_itself_wrongly_is_an_error(
    running: Running, issuer: StandInIssuer, description: dict[str, Any]
) -> None:
    issuer.description = description
    assert running.client().get(LOGIN).status_code == 502
    issuer.description = {}
    assert go(running.client()).status_code == 303, "and is asked again"


@pytest.mark.parametrize("keys", [{}, {"keys": 1}, {"keys": [1]}, {"keys": [{"kty": "RSA"}]}, {"keys": []}])
def test_an_issuer_with_broken_keys_lets_nobody_in(
    running: Running, issuer: StandInIssuer, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(issuer), "keys", lambda self: keys)
    assert go(running.client()).status_code in (401, 502)
    monkeypatch.undo()
    assert go(running.client()).status_code == 303


def test_an_issuer_that_cannot_be_reached_is_an_error_and_passwords_go_on(serve: Any) -> None:
    running = serve(accounts=True, oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT)
    answer = running.client().get(LOGIN)
    assert answer.status_code == 502 and "127.0.0.1:9" in answer.text
    body = {"name": "reader", "password": running.people["reader"].password}
    assert running.client().post("/api/samovar/login", json=body).status_code == 200


def test_who_comes_by_openid_connect_leaves_without_a_password(running: Running) -> None:
    browser = running.client()
    go(browser)
    headers = {"Origin": running.url}
    assert browser.post("/api/samovar/account/delete", json={}, headers=headers).status_code == 200
    assert running.state.store.accounts.by_name("Анна") is None
