"""web_search: find pages, on the episode's own sites or with a configured provider.

On the episode's sites `freshness` counts back from the day on which episodes play, and no time
is told (`tookMs`), so that the same seed gives the same text.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from pydantic import Field

from ise_env.services.access import SearchHit, Unreachable
from ise_env.services.spec import EPOCH
from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool
from ise_env.tools.untrusted import wrapped
from ise_env.tools.web_provider import SearchRequest

LOCAL = "local-corpus"
DEFAULT_COUNT = 5
NEEDS = "web sites of the task's, or a provider (`web=`)"
_SOURCE = "Web Search"
_LOCAL_FILTERS = frozenset({"freshness", "date"})
_DAYS = {"day": 1, "week": 7, "month": 31, "year": 365}
_BRAVE_CODES = {"pd": "day", "pw": "week", "pm": "month", "py": "year"}


def no_web(context: ToolContext) -> str:
    """Say that an episode has neither sites of its own nor a provider, if so."""
    has_sites = context.services is not None and bool(context.services.hosts)
    return "" if has_sites or context.web is not None else "the task has no web sites"


class WebSearchParams(Params):
    """Parameters of `web_search`."""

    query: str = Field(min_length=1, max_length=2_000, description="What to look for.")
    count: int | None = Field(None, ge=1, le=10, description="Most results, 1-10 (default 5).")
    freshness: str | None = Field(
        None, description="Only pages of the last day, week, month, year."
    )
    date_after: str | None = Field(None, description="Only pages from that day on (YYYY-MM-DD).")
    date_before: str | None = Field(None, description="Only pages up to that day (YYYY-MM-DD).")
    language: str | None = Field(None, description="Code of a language (en, de).")
    country: str | None = Field(None, description="Code of a country (US, DE).")


@tool(
    "web_search",
    "Search the web: titles, addresses and short descriptions of pages. web_fetch shows a page.",
    needs=NEEDS,
    missing=no_web,
)
def web_search(p: WebSearchParams, context: ToolContext) -> ToolResult:
    """Find pages; see `WebSearchParams`.

    Raises:
        ToolFailure: There is nothing to search, or the provider refuses.
    """
    provider = LOCAL if context.web is None else context.web.name
    filters = _LOCAL_FILTERS if context.web is None else context.web.filters
    if refusal := _unsupported(p, provider, filters):
        return ToolResult(as_json(refusal), Outcome(status="tool_error", error=refusal["error"]))
    hits = _hits(_request(p), context)
    value = {
        "query": p.query,
        "provider": provider,
        "count": len(hits),
        "externalContent": {
            "untrusted": True,
            "source": "web_search",
            "provider": provider,
            "wrapped": True,
        },
        "results": [_row(hit, context) for hit in hits],
    }
    return ToolResult(as_json(value), Outcome(status="ok"))


def _hits(asked: SearchRequest, context: ToolContext) -> list[SearchHit]:
    if context.web is not None:
        try:
            return context.web.search(asked)
        except Unreachable as error:
            raise ToolFailure(f"Web search failed: {error}", error="provider") from error
    if context.services is None:
        raise ToolFailure("web_search has nothing to search in this episode", error="unavailable")
    after = asked.after
    if asked.freshness is not None:
        after = EPOCH.date() - timedelta(days=_DAYS[asked.freshness])
    return context.services.search(asked.query, count=asked.count, after=after, before=asked.before)


def _row(hit: SearchHit, context: ToolContext) -> dict[str, Any]:
    row = {
        "title": wrapped(hit.title, _SOURCE, context.rng),
        "url": hit.url,
        "description": wrapped(hit.snippet, _SOURCE, context.rng),
    }
    return {**row, "published": hit.published.isoformat()} if hit.published else row


def _unsupported(
    p: WebSearchParams, provider: str, filters: frozenset[str]
) -> dict[str, str] | None:
    """What of a request cannot be done, in upstream's error layout."""
    for name in ("date_after", "date_before"):
        given = getattr(p, name)
        if given is not None and _day(given) is None:
            return _complaint("invalid_date", f"{name} must be a date YYYY-MM-DD, got {given!r}.")
    if p.freshness is not None and _freshness(p.freshness) is None:
        return _complaint("invalid_freshness", "freshness must be day, week, month or year.")
    if p.freshness is not None and (p.date_after or p.date_before):
        return _complaint(
            "conflicting_time_filters", "freshness and date_after/date_before exclude each other."
        )
    given = {
        "freshness": p.freshness,
        "date": p.date_after or p.date_before,
        "country": p.country,
        "language": p.language,
    }
    for name, value in given.items():
        if value and name not in filters:
            return _complaint(
                f"unsupported_{name}",
                f"{name} filtering is not supported by the {provider} provider.",
            )
    return None


def _complaint(error: str, message: str) -> dict[str, str]:
    return {"error": error, "message": message, "docs": "Leave that parameter out, or mend it."}


def _freshness(text: str) -> str | None:
    word = _BRAVE_CODES.get(text.lower(), text.lower())
    return word if word in _DAYS else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _request(p: WebSearchParams) -> SearchRequest:
    return SearchRequest(
        p.query,
        p.count or DEFAULT_COUNT,
        freshness=_freshness(p.freshness) if p.freshness else None,
        after=_day(p.date_after) if p.date_after else None,
        before=_day(p.date_before) if p.date_before else None,
        language=p.language,
        country=p.country,
    )
