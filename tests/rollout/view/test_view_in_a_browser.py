"""The page in a real browser: Chromium without a window, driven through playwright."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace

import pytest

from ise_env.rollout import stats_page
from ise_env.rollout.stats import collect_statistics
from ise_env.rollout.view.page import static_page
from ise_env.rollout.view.server import ViewServer
from ise_env.traces.reader import read_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: the extra test-browser has it"
    )
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium on PATH")
    with playwright.sync_playwright() as driver:
        # Root has no sandbox of Chromium's; the pages are our own.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a page of records, or a URL; whatever goes wrong on it fails the test."""
    contexts, wrong = [], []

    def open_(records=None, url=None, fragment="", **options):
        if url is None:
            path = tmp_path / "page.html"
            path.write_text("".join(static_page("a <b>run</b>", records)), encoding="utf-8")
            url = path.as_uri()
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(url + fragment)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def records(runs):
    return list(read_run(runs / "faulty"))


def items(page):
    return page.locator("#list a")


def reading(page, record):
    page.wait_for_selector(f"#episode[data-id='{record.episode_id}']")


def test_it_lists_filters_sorts_and_searches(show, records):
    page = show(records)
    assert page.title() == "a <b>run</b>"
    assert items(page).count() == 6
    failures = [r for r in records if r.success is False]
    page.select_option("#outcome", "failure")
    assert items(page).count() == len(failures)
    assert page.inner_text("#count") == f"{len(failures)} of 6 episodes"
    page.select_option("#outcome", "any outcome")
    page.select_option("#sort", "most calls")
    calls = [sum(len(m.get("tool_calls") or ()) for m in r.messages) for r in records]
    most = records[calls.index(max(calls))]
    assert items(page).first.get_attribute("href") == f"#{most.episode_id}"
    page.fill("#search", records[2].episode_id)
    assert items(page).count() == 1
    command = next(
        m["content"] for m in records[3].messages if m["role"] == "tool" and len(m["content"]) > 60
    ).split("\n")[0][:60]
    page.fill("#search", command)
    page.check("#deep")
    items(page).first.wait_for()
    found = {link.get_attribute("href") for link in items(page).all()}
    assert f"#{records[3].episode_id}" in found


def test_on_a_narrow_screen_the_list_and_an_episode_can_be_left_and_opened_again(show, records):
    page = show(records, viewport={"width": 380, "height": 800})

    def opened(wanted):
        page.wait_for_function(f"document.body.classList.contains('reading') === {wanted}")

    items(page).first.click()
    opened("true")
    page.wait_for_selector("#episode td.passed, #episode td .passed")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 380
    page.click("#back")
    opened("false")
    items(page).first.click()
    opened("true")
    page.go_back()
    opened("false")


def test_statistics_fit_a_narrow_screen(browser, runs, tmp_path):
    path = tmp_path / "stats.html"
    path.write_text(stats_page.page("run", collect_statistics(runs / "faulty")), encoding="utf-8")
    page = browser.new_page(viewport={"width": 380, "height": 800})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.close()


def test_words_of_the_checks_are_not_broken(show, records):
    page = show(records, fragment=f"#{records[0].episode_id}")
    reading(page, records[0])
    verdict = page.locator("#episode .passed").first
    lines = "e => { const r = document.createRange(); r.selectNodeContents(e);"
    assert verdict.evaluate(f"{lines} return r.getClientRects().length; }}") == 1


def test_an_address_that_is_none_is_ignored(show, records):
    page = show(records, fragment="#%")
    assert items(page).count() == len(records)


def test_each_call_has_the_result_of_its_own_message(show, records):
    """Some servers count ids from 0 in every message, and a model may leave the id out."""

    def asks(command, **id_):
        function = {"name": "exec", "arguments": f'{{"command": "{command}"}}'}
        return {"role": "assistant", "content": "", "tool_calls": [{**id_, "function": function}]}

    answer = {"role": "tool", "tool_call_id": "call_0"}
    messages = [
        asks("one", id="call_0"),
        {**answer, "content": "first"},
        asks("two", id="call_0"),
        {**answer, "content": "second"},
        asks("three"),
        {**answer, "content": "third"},
    ]
    record = records[0].model_copy(update={"messages": messages, "subagents": []})
    page = show([record], fragment=f"#{record.episode_id}")
    reading(page, record)
    results = page.locator("details.call pre:last-child")
    assert results.all_text_contents() == ["first", "second", "third"]


def test_a_link_leads_to_a_message_and_keys_move_about(show, records):
    with_failures = next(r for r in records if r.recoveries)
    at = next(i for i, m in enumerate(with_failures.messages) if m["role"] == "assistant")
    page = show(records, fragment=f"#{with_failures.episode_id}/{at}")
    reading(page, with_failures)
    assert page.locator(f"#m-{at}.here").count() == 1
    page.keyboard.press("n")
    opened = page.locator("details.failed-call.here")
    assert opened.get_attribute("open") is not None
    page.keyboard.press("o")
    folded = page.locator("details.call:not([open])")
    assert folded.count() == 0
    page.keyboard.press("o")
    assert page.locator("details.call[open]").count() == 0
    place = records.index(with_failures)
    page.keyboard.press("k" if place else "j")
    reading(page, records[place - 1 if place else 1])
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()


def test_an_episode_shows_what_happened(show, records):
    record = next(r for r in records if r.success is False)
    page = show(records, fragment=f"#{record.episode_id}")
    reading(page, record)
    text = page.inner_text("#episode")
    for message in record.messages:
        if message["role"] == "user":
            assert " ".join(message["content"].split()) in " ".join(text.split())
    for check in record.checks:
        assert check.id in text
    for change in record.workspace.diff:
        assert change.path in text
    assert page.locator("details.call").count() == sum(
        len(m.get("tool_calls") or ()) for m in record.messages
    )
    kinds = page.locator("details.failed-call").count()
    failed = {"nonzero_exit", "tool_error", "timeout", "killed"}
    outcomes = [m["x"]["outcome"]["status"] for m in record.messages if m["role"] == "tool"]
    assert kinds == sum(status in failed for status in outcomes)


HOSTILE = (
    "<script>window.pwned = 1</script>"
    "</script><img src=x onerror='window.pwned = 2'>"
    "<b half-open \u202eturned\u202c \x1b[31mred\x07 <svg/onload=window.pwned=3> {{js}} ${1}"
)


def test_hostile_content_stays_text(show, records):
    record = records[0].model_copy(deep=True)
    record.intent = record.intent.model_copy(
        update={
            "utterance": HOSTILE,
            "persona": record.intent.persona.model_copy(update={"role": HOSTILE, "name": HOSTILE}),
            "domains": (HOSTILE,),
        }
    )
    record.provenance.agent = record.provenance.agent.model_copy(update={"name": HOSTILE})
    for message in record.messages:
        message["content"] = HOSTILE
        for call in message.get("tool_calls") or ():
            call["function"] |= {"name": HOSTILE, "arguments": HOSTILE}
        if message["role"] == "user":
            message["x"]["user"] |= {"observed": [HOSTILE], "attempts": [{"message": HOSTILE}]}
        if message["role"] == "assistant":
            message["reasoning_content"] = HOSTILE
    record.checks = [
        c.model_copy(update={"id": HOSTILE, "evidence": HOSTILE}) for c in record.checks
    ]
    record.workspace.diff = [replace(c, path=HOSTILE) for c in record.workspace.diff]
    page = show([record, *records[1:]], fragment=f"#{record.episode_id}")
    reading(page, record)
    page.keyboard.press("o")
    assert page.locator("details.call:not([open])").count() == 0
    assert page.evaluate("window.pwned") is None
    assert page.locator("#episode img, #episode svg, #episode script, #list img").count() == 0
    text = page.inner_text("body")
    assert "<script>window.pwned = 1</script></script><img src=x onerror=" in text
    assert "<U+202E>turned<U+202C> ␛[31mred␇" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_it_is_readable_on_a_narrow_screen_and_in_the_dark(show, records):
    page = show(records, viewport={"width": 360, "height": 740}, color_scheme="dark")
    assert not page.locator("#episode").is_visible()
    items(page).first.click()
    reading(page, records[0])
    page.keyboard.press("o")
    assert not page.locator("nav").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    page.click("#back")
    assert page.locator("nav").is_visible()


def test_a_live_run_is_followed(show, rewritten):
    run = rewritten(lambda record: record)
    (shard,) = (run / "shards").iterdir()
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(lines[0])
    with ViewServer(run) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = show(url=server.url)
        assert items(page).count() == 1
        with shard.open("ab") as file:
            file.write(b"".join(lines[1:4]))
        items(page).nth(3).click()
        assert items(page).count() == 4
        page.locator("#episode h2").first.wait_for()
        assert page.locator("details.call").count() > 3
        page.context.close()
        server.shutdown()
