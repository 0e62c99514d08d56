"""Web sites through a real workspace: pages, the JSON API, seeded obstacles, the index."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from ise_env.rewards.checks import ApiRecords, HttpNotReceived, HttpReceived
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.services.access import Unreachable
from ise_env.services.spec import Collection, Failure, Page, RateLimit, SiteSeed

ORDERS = tuple(
    {"id": n, "state": "open" if n % 3 else "paid", "total": n * 1.5} for n in range(1, 8)
)
SHOP = SiteSeed(
    host="shop.example",
    pages=(
        Page(path="/", body="<title>Shop</title><h1>Garden tools</h1><a href='/list?page=2'>2</a>"),
        Page(path="/list?page=2", body="<p>second page of spades</p>"),
        Page(path="/old", redirect="/new"),
        Page(
            path="/news/spring",
            body="<title>Spring</title><script>var hidden=1</script><p>Café opening: spades low",
            published=datetime(2025, 4, 1, tzinfo=UTC),
        ),
        Page(path="/prices.csv", body="item,price\nspade,12\n", media_type="text/csv"),
    ),
    collections=(
        Collection(path="/api/orders", items=ORDERS, page_size=3, writable=("POST", "PATCH")),
        Collection(path="/api/strict", writable=("POST", "DELETE"), fields=("name",)),
    ),
    failures=(Failure(path="/prices.csv", times=2),),
    forms=("/contact",),
)
LOCKED = SiteSeed(
    host="api.shop.example",
    collections=(Collection(path="/v1/items", items=({"id": "a"},)),),
    token="t0ken",
    rate=RateLimit(requests=2, pause_s=1),
)


def judge(place, *checks):
    evidence = Evidence(place.workspace.freeze(), services=place.services.records())
    passed = []
    for check in checks:
        try:
            check.judge(evidence)
            passed.append(True)
        except Unmet:
            passed.append(False)
    return passed


def test_pages_names_and_errors(serve):
    place = serve(SHOP, LOCKED)
    assert "Garden tools" in place.shell("curl -s http://shop.example/")
    assert "second page" in place.shell("curl -s 'http://shop.example/list?page=2'")
    assert "302 http://shop.example/new" in place.shell(
        "curl -s -o /dev/null -w '%{http_code} %{redirect_url}' http://shop.example/old"
    )
    assert "404" in place.shell("curl -s -o /dev/null -w '%{http_code}' http://shop.example/x")
    assert "405" in place.shell("curl -s -o /dev/null -w '%{http_code}' -d a http://shop.example/")
    head = place.shell("curl -sI http://shop.example/")
    assert "200" in head and "Garden" not in head
    assert "no site called" in place.shell("curl -s -H 'Host: other' http://shop.example/")


def test_a_failure_goes_away(serve):
    place = serve(SHOP)
    codes = (
        "for i in 1 2 3; do curl -s -o /dev/null -w '%{http_code} ' shop.example/prices.csv; done"
    )
    assert place.shell(codes).split() == ["500", "500", "200"]


def test_a_collection_is_listed_page_by_page(serve):
    place = serve(SHOP)
    first = json.loads(place.shell("curl -s http://shop.example/api/orders"))
    assert [i["id"] for i in first["items"]] == [1, 2, 3]
    assert (first["pages"], first["total"], first["next"]) == (3, 7, "/api/orders?page=2")
    last = json.loads(place.shell("curl -s 'http://shop.example/api/orders?page=3'"))
    assert ([i["id"] for i in last["items"]], last["next"]) == ([7], None)
    paid = json.loads(place.shell("curl -s 'http://shop.example/api/orders?state=paid'"))
    assert [i["id"] for i in paid["items"]] == [3, 6]
    assert json.loads(place.shell("curl -s http://shop.example/api/orders/4"))["total"] == 6.0
    assert "no 99" in place.shell("curl -s http://shop.example/api/orders/99")


def test_what_is_sent_changes_the_records_and_is_remembered(serve):
    place = serve(SHOP)
    at = "http://shop.example/api/orders"
    post = json.loads(place.shell(f"""curl -s {at} -d '{{"state": "new", "total": 3}}'"""))
    assert post["id"] == 8
    assert "taken" in place.shell(f"""curl -s {at} -d '{{"id": 8}}'""")
    place.shell(f"""curl -s -X PATCH {at}/1 -d '{{"state": "paid"}}'""")
    assert "missing: name" in place.shell("curl -s http://shop.example/api/strict -d '{}'")
    assert "not a JSON object" in place.shell("curl -s http://shop.example/api/strict -d '[1'")
    assert "not allowed" in place.shell(f"curl -s -X DELETE {at}/1")
    assert "receipt" in place.shell("curl -s http://shop.example/contact -d name=Ann")
    same = {"host": "shop.example", "id": "c"}
    assert judge(
        place,
        HttpReceived(**same, route="/api/orders", fields={"total": 3.0}),
        HttpReceived(**same, route="/api/orders", fields={"total": 3.0}, exactly=True),
        HttpReceived(**same, route="/api/orders", fields={"id": 8}),
        HttpReceived(**same, route="/api/orders/1", method="PATCH", fields={"state": "paid"}),
        HttpReceived(**same, route="/contact"),
        HttpNotReceived(**same, route="/api/.*", allowed="/api/orders(/1)?"),
        HttpNotReceived(**same, methods=("POST",)),
        ApiRecords(**same, collection="/api/orders", has=({"id": 1, "state": "paid"},), count=8),
        ApiRecords(**same, collection="/api/orders", lacks=({"id": 8},)),
        ApiRecords(**same, collection="/api/strict", equals=()),
        ApiRecords(**same, collection="/api/none"),
    ) == [True, False, False, True, True, True, False, True, False, True, False]


def test_a_token_and_a_rate_limit(serve):
    place = serve(SHOP, LOCKED)
    at = "http://api.shop.example/v1/items"
    assert "bearer" in place.shell(f"curl -s {at}")
    ask = f"curl -s -o /dev/null -D - -H 'Authorization: Bearer t0ken' {at}"
    said = place.shell(f"for i in 1 2 3; do {ask} | tr -d '\\r' | grep -iE '^HTTP|^Retry'; done")
    assert said.split("\n")[:4] == [
        "HTTP/1.1 200 ", "HTTP/1.1 200 ", "HTTP/1.1 429 ", "Retry-After: 1"
    ]  # fmt: skip
    retried = f"until {ask} | grep -q '200'; do sleep 0.1; done; echo let in"
    assert "let in" in place.shell(retried)


def test_searching(serve):
    services = serve(SHOP, SiteSeed(host="b.example", indexed=False, pages=SHOP.pages)).services
    assert [h.url for h in services.search("Spades")] == [
        "http://shop.example/list?page=2",
        "http://shop.example/news/spring",
        "http://shop.example/prices.csv",
    ]
    hit = services.search("cafe OR opening)", count=1)[0]
    assert (hit.title, hit.published) == ("Spring", date(2025, 4, 1))
    assert "hidden" not in hit.snippet
    assert services.search("spades", after=date(2025, 4, 2)) == []
    assert len(services.search("spades", before=date(2025, 4, 1))) == 1
    assert services.search('"; DROP') == services.search("") == []


def test_fetching_from_the_outside(serve):
    place = serve(SHOP)
    got = place.services.fetch("http://shop.example/news/spring", max_bytes=10)
    assert (got.status, got.body, got.truncated) == (200, b"<title>Spr", True)
    with pytest.raises(Unreachable, match="no such host"):
        place.services.fetch("http://elsewhere.example/")
    with pytest.raises(Unreachable, match="nobody answers"):
        place.services.fetch("http://localhost:9999/")
    with pytest.raises(Unreachable, match="only http"):
        place.services.fetch("file:///etc/passwd")
    assert [r.path for r in place.services.records().requests] == ["/news/spring"]
