"""memory_search: find passages in MEMORY.md and memory/*.md."""

from __future__ import annotations

import sqlite3
from typing import Any

from pydantic import Field

from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.memory_files import read_memory
from ise_env.tools.memory_index import Hit, search
from ise_env.tools.output import as_json
from ise_env.tools.registry import tool

DEFAULT_RESULTS = 6
MAX_RESULTS = 50
DEFAULT_SCORE = 0.2
_SNIPPET_CHARS = 700


class MemorySearchParams(Params):
    """Parameters of `memory_search`."""

    query: str = Field(min_length=1, max_length=4_000, description="What to look for, in words.")
    maxResults: int | None = Field(None, ge=1, description="Most passages (default 6).")
    minScore: float | None = Field(
        None, ge=0, le=1, description="Least share of the query that a passage must have (0.2)."
    )


@tool(
    "memory_search",
    "Search your own notes, MEMORY.md and memory/*.md, for passages about something: look here "
    "before you answer from earlier work, decisions, dates, people or preferences. Gives path "
    "and lines; memory_get reads more of them.",
)
def memory_search(p: MemorySearchParams, context: ToolContext) -> ToolResult:
    """Search the memory files; see `MemorySearchParams`.

    Raises:
        ToolFailure: The notes are made so that no search comes to an end.
    """
    memory = read_memory(context.workspace)
    try:
        hits = search(memory.texts, p.query)
    except TimeoutError as error:
        raise ToolFailure(
            f"memory_search: {error}; ask with fewer, longer words, or use exec with grep",
            error="timeout",
            status="timeout",
        ) from error
    except sqlite3.OperationalError as error:
        return _unavailable(str(error))
    least = DEFAULT_SCORE if p.minScore is None else p.minScore
    limit = min(p.maxResults or DEFAULT_RESULTS, MAX_RESULTS)
    value: dict[str, Any] = {
        "results": [_result(hit) for hit in hits if hit.score >= least][:limit],
        "provider": "none",
        "citations": "auto",
        "mode": "fts-only",
    }
    if warning := memory.warning():
        value["warning"] = warning
    return ToolResult(as_json(value), Outcome(status="truncated" if warning else "ok"))


def _result(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    lines = (
        f"L{passage.start}-L{passage.end}" if passage.end > passage.start else f"L{passage.start}"
    )
    return {
        "path": passage.path,
        "startLine": passage.start,
        "endLine": passage.end,
        "score": round(hit.score, 3),
        "snippet": passage.text.strip()[:_SNIPPET_CHARS],
        "source": "memory",
        "citation": f"{passage.path}#{lines}",
    }


def _unavailable(error: str) -> ToolResult:
    value = {
        "results": [],
        "disabled": True,
        "unavailable": True,
        "error": error,
        "warning": "Memory search is unavailable: SQLite lacks the trigram tokenizer.",
        "action": "Read MEMORY.md and memory/*.md with read or memory_get.",
    }
    return ToolResult(as_json(value), Outcome(status="tool_error", error="unavailable"))
