"""web_fetch: read a page."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.readable import Readable, readable
from ise_env.tools.registry import tool
from ise_env.tools.untrusted import wrapped
from ise_env.tools.web_page import WebPage, get_page
from ise_env.tools.web_search import NEEDS, no_web

MAX_CHARS = 50_000
_ERROR_CHARS = 4_000
_SOURCE = "Web Fetch"


class WebFetchParams(Params):
    """Parameters of `web_fetch`."""

    url: str = Field(min_length=1, max_length=8_000, description="Address, http or https.")
    extractMode: Literal["markdown", "text"] = Field(
        "markdown", description="What to make of HTML."
    )
    maxChars: int | None = Field(
        None, ge=100, description="Most characters (default and most 50000)."
    )


@tool(
    "web_fetch",
    "Get a web page and show what it says, HTML turned into Markdown or plain text. For reading; "
    "an API that needs headers or a body is for curl with exec.",
    needs=NEEDS,
    missing=no_web,
)
def web_fetch(p: WebFetchParams, context: ToolContext) -> ToolResult:
    """Read a page; see `WebFetchParams`.

    Raises:
        ToolFailure: The address cannot be used or reached, the server refuses, or what it sends
            is no text.
    """
    page = get_page(p.url, context)
    found, extractor = _extract(page, markdown=p.extractMode == "markdown")
    title, text = found.title, found.text
    if page.answer.status >= 400:
        detail = wrapped(text[:_ERROR_CHARS], _SOURCE, context.rng, notice=True)
        raise ToolFailure(
            f"Web fetch failed ({page.answer.status}): {detail}", error=f"http_{page.answer.status}"
        )
    limit = min(p.maxChars or MAX_CHARS, MAX_CHARS)
    shown = text[:limit]
    truncated = page.answer.truncated or len(text) > limit or not found.whole
    whole = wrapped(shown, _SOURCE, context.rng, notice=True)
    value: dict[str, Any] = {
        "url": p.url,
        "finalUrl": page.url,
        "status": page.answer.status,
        "contentType": page.media_type or "application/octet-stream",
        "title": wrapped(title, _SOURCE, context.rng) if title else "",
        "extractMode": p.extractMode,
        "extractor": extractor,
        "externalContent": {"untrusted": True, "source": "web_fetch", "wrapped": True},
        "truncated": truncated,
        "length": len(whole),
        "rawLength": len(shown),
        "wrappedLength": len(whole),
        "text": whole,
    }
    return ToolResult(as_json(value), Outcome(status="truncated" if truncated else "ok"))


def _extract(page: WebPage, *, markdown: bool) -> tuple[Readable, str]:
    """Return what the page says and the name of what extracted it."""
    kind, text = page.media_type, page.text()
    if kind in ("text/html", "application/xhtml+xml") or (not kind and text.lstrip()[:1] == "<"):
        return readable(text, page.url, markdown=markdown), "html"
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return Readable("", as_json(json.loads(text))), "json"
        except (ValueError, RecursionError):
            return Readable("", text), "raw"
    if not kind or kind.startswith("text/") or kind.endswith(("xml", "javascript")):
        return Readable("", text), "raw"
    raise ToolFailure(
        f"Web fetch failed: {kind} is no text ({len(page.answer.body):,} bytes). Use curl -o with "
        "exec to keep it as a file.",
        error="not_text",
    )
