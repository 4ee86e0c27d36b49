"""Who may ask: token, cookie, host and site; and what each answer carries."""

import json

import pytest
from starlette.testclient import TestClient

from evaluate.errors import EvaluateError
from tests.evaluate.server.conftest import BEARER, HOST, TOKEN


@pytest.fixture
def stranger(client):
    """A client without the token; it follows no redirect."""
    return TestClient(client.app, HOST, follow_redirects=False)


@pytest.fixture
def browser(stranger):
    """A client that came by the address with the token: it has the cookie."""
    stranger.get("/", params={"token": TOKEN})
    return stranger


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Cookie": "avtempo=x"},
     {"Authorization": "Bearer ä".encode("latin-1")}],
)  # fmt: skip
def test_nothing_is_told_without_the_token(stranger, made, headers):
    for path in ("/api/status", "/api/sources", "/api/media/x", "/api/nonsense", "/openapi.json", "/docs", "/"):
        answer = stranger.get(path, headers=headers)
        assert answer.status_code == 401
        assert str(made.root) not in answer.text
    assert stranger.post("/api/match", content=b"x", headers=headers).status_code == 401
    assert stranger.get("/static/page.css", headers=headers).status_code == 200


def test_the_address_with_the_token_becomes_a_cookie(stranger):
    answer = stranger.get("/review", params={"token": TOKEN, "pair": "a&b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/review?pair=a%26b")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} == set(cookie.split("; ")[1:])
    assert TOKEN not in cookie
    assert stranger.get("/api/status").status_code == 200
    elsewhere = stranger.get(f"{HOST}//evil.example/", params={"token": TOKEN}).headers["location"]
    assert elsewhere.startswith("/evil.example/")
    assert stranger.get("/", params={"token": "wrong"}, headers={"Cookie": ""}).status_code == 401
    assert TestClient(stranger.app, HOST).get("/api/status", params={"token": TOKEN}).status_code == 401


def test_addresses_and_the_own_name_are_hosts_and_others_are_refused_even_with_the_token(stranger):
    own = ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "192.168.1.2"]
    others = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[", "a@localhost"]
    others += ["[::1].evil.example", "[::1%evil.example]", "localhost:80:1"]
    for host in (*own, *others):
        answer = stranger.get("/api/status", headers={**BEARER, "Host": host})
        assert answer.status_code == (200 if host in own else 400), host
        assert ("this server does not have the host name" in answer.text) == (host in others)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 404), ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({}, 403), ({"Origin": "http://evil.example"}, 403), ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example", **BEARER}, 404),
    ],
)  # fmt: skip
def test_a_change_by_cookie_must_come_from_the_own_pages(browser, headers, status):
    assert browser.delete("/api/queries/none", headers=headers).status_code == status
    assert browser.get("/api/status", headers=headers).is_success  # another site cannot read the answer: no CORS


def test_every_answer_carries_the_headers_of_safety(client, stranger):
    for answer in (client.get("/api/status"), client.get("/api/nonsense"), stranger.get("/"), client.get("/docs")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_page_of_the_api_needs_no_other_site(client):
    page = client.get("/docs").text
    assert "POST /api/match" in page
    assert "integer, 1 to 1000; default 100" in page
    for shape, field in (("VerdictRequest", "withdraw"), ("PlaceShape", "end_seconds"), ("Scope", "references")):
        assert field in page.partition(f"<th>{shape}</th>")[2].partition("</table>")[0]
    assert "Body: <code>application/octet-stream</code>" in page
    assert not any(each in page for each in ("anyOf", "enum", "None", "undefined"))
    assert "http" not in page.replace("HTTP", "")


def test_settings_that_make_no_sense_are_refused(made):
    for address in ("file:///etc/passwd", "ftp://a/b", "http://h/ä", "http://[::1/x", "http://h:x/", "http://h/a b"):
        with pytest.raises(EvaluateError, match="give"):
            made.settings(watch_folder=made.videos, webhook=address)
    for changes in ({"webhook": "http://h/"}, {"watch_out": made.root / "out"}, {"upload_bytes": 0}):
        with pytest.raises(EvaluateError, match=r"--watch FOLDER|above"):
            made.settings(**changes)
    with pytest.raises(EvaluateError, match="token"):
        type(made.settings())(made.index, "a b")


@pytest.mark.parametrize("body", [{"kind": "keep", "ids": ["\ud800"]}, {"kind": "\ud800"}])
def test_half_a_character_is_refused_like_any_other_value(client, body):
    answer = client.post("/api/verdicts", content=json.dumps([body]), headers={"Content-Type": "application/json"})
    assert (answer.status_code in (404, 422), "detail" in answer.json()) == (True, True)
