"""Adapters for search providers, against a socket that speaks their formats."""

import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from ise_env.env import IntentEnv
from ise_env.errors import ConfigError
from ise_env.services.access import Unreachable
from ise_env.tools.live_web import LiveWeb, make_web
from ise_env.tools.registry import resolve
from ise_env.tools.web_page import is_private
from ise_env.tools.web_provider import SearchRequest

ROW = {"url": "https://a.example/", "title": "A"}
ANSWERS = {
    "/res/v1/web/search": {
        "web": {"results": [{**ROW, "description": "about  a", "page_age": "2026-01-02T10:00:00"}]}
    },
    "/search": {
        "results": [
            {**ROW, "content": "about a", "score": 0.9, "publishedDate": "2026-01-02T10:00:00"},
            {**ROW, "content": "more"},
        ]
    },
}


@pytest.fixture
def server():
    """Answers as the providers do; `asked` holds the requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            parts = urlsplit(self.path)
            asked.append(
                (
                    parts.path,
                    parse_qs(parts.query),
                    {k.lower(): v for k, v in self.headers.items()},
                    body,
                )
            )
            answer = ANSWERS.get(parts.path)
            status = 200 if answer else 429 if parts.path.startswith("/busy") else 404
            content = json.dumps(answer).encode() if answer else b"<h1>no</h1>"
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if answer else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    http.url = f"http://127.0.0.1:{http.server_port}"
    http.asked = asked
    yield http
    http.shutdown()
    http.server_close()
    thread.join()


def test_brave(server):
    web = LiveWeb("brave", server.url, "key-1")
    wanted = SearchRequest(
        "berths", 3, after=date(2026, 1, 1), before=date(2026, 2, 1), country="DE"
    )
    (hit,) = web.search(wanted)
    assert (hit.url, hit.snippet, hit.published) == (ROW["url"], "about a", date(2026, 1, 2))
    path, query, headers, _ = server.asked[0]
    assert path == "/res/v1/web/search"
    assert query == {
        "q": ["berths"],
        "count": ["3"],
        "country": ["DE"],
        "freshness": ["2026-01-01to2026-02-01"],
    }
    assert headers["x-subscription-token"] == "key-1"


def test_tavily(server):
    (hit,) = LiveWeb("tavily", server.url, "key-2").search(SearchRequest("berths", 1, "week"))
    assert hit.snippet == "about a"
    path, _, headers, body = server.asked[0]
    assert path == "/search"
    assert json.loads(body) == {"query": "berths", "max_results": 1, "time_range": "week"}
    assert headers["authorization"] == "Bearer key-2"


def test_searxng(server):
    hits = LiveWeb("searxng", server.url).search(SearchRequest("berths", 5, language="de"))
    assert [hit.published for hit in hits] == [date(2026, 1, 2), None]
    assert server.asked[0][1] == {"q": ["berths"], "format": ["json"], "language": ["de"]}


@pytest.mark.parametrize(
    ("suffix", "message"),
    [("/busy", "answered 429"), ("/none", "answered 404"), (":1", "does not answer")],
)
def test_a_provider_that_fails_is_the_tools_error(server, call, suffix, message):
    address = "http://127.0.0.1:1" if suffix == ":1" else server.url + suffix
    call.tools = resolve(["web_search"])
    call.context.web = LiveWeb("searxng", address)
    text, kind = call.error("web_search", query="x")
    assert kind == "provider"
    assert message in text


def test_through_the_tool(server, call):
    call.tools = resolve(["web_search"])
    call.context.web = LiveWeb("searxng", server.url)
    value = json.loads(call.text("web_search", query="berths", count=1, freshness="month"))
    assert (value["provider"], value["count"]) == ("searxng", 1)
    done = call("web_search", query="x", country="DE")
    assert json.loads(done.message["content"])["error"] == "unsupported_country"


def test_fetching_stays_on_the_public_net(server):
    with pytest.raises(Unreachable, match="private network"):
        LiveWeb("searxng", server.url).fetch(server.url, max_bytes=10, timeout_s=5)
    assert server.asked == []
    web = LiveWeb("searxng", server.url, public_only=False)
    got = web.fetch(f"{server.url}/page?x=1", max_bytes=5, timeout_s=5)
    assert (got.status, got.body, got.truncated) == (404, b"<h1>n", True)
    assert server.asked[0][:2] == ("/page", {"x": ["1"]})


def test_addresses_are_escaped(server):
    web = LiveWeb("searxng", server.url, public_only=False)
    web.fetch(f"{server.url}/a b/é%20?q=x y", max_bytes=5, timeout_s=5)
    assert server.asked[0][0] == "/a%20b/%C3%A9%20"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:127.0.0.1"]
)
def test_private_addresses_are_known(host):
    assert is_private(host)
    assert not is_private("93.184.216.34")
    assert not is_private("example.com")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("bing", "known: brave, tavily, searxng"),
        ("searxng", "name the server, searxng@https://"),
        ("brave", "put the API key into BRAVE_API_KEY"),
    ],
)
def test_a_provider_that_cannot_be_used_is_found_out_at_once(monkeypatch, spec, complaint):
    monkeypatch.delenv("BRAVE_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=complaint):
        make_web(spec)
    with pytest.raises(ConfigError, match=complaint):
        IntentEnv("Look something up.", web=spec)


def test_keys_come_from_the_environment(monkeypatch, server):
    monkeypatch.setenv("TAVILY_API_KEY", "key-3")
    make_web(f"tavily@{server.url}").search(SearchRequest("x", 1))
    assert server.asked[0][2]["authorization"] == "Bearer key-3"
