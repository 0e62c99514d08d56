"""Building the page: a summary of each episode in an index, each record packed by itself.

Records are gzip in base64, unpacked by the browser when one is opened: a page of 1,000 episodes
opens as fast as its index, and nothing in a record can be taken for markup.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import secrets
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from typing import Any

from ise_env.rollout.stats import called_tools
from ise_env.tools.base import FAILED
from ise_env.traces.record import Trajectory, is_users_turn

_UTTERANCE = 400
"""Characters of the utterance in the index; the whole is in the record."""
_TOKENS = frozenset({"token_ids", "prompt_token_ids", "logprobs"})
"""What nobody reads on a page, and most of the size where a server gives it."""


def summary(number: int, t: Trajectory) -> dict[str, Any]:
    """What the list of episodes shows and filters by."""
    outcomes = (((m.get("x") or {}).get("outcome") or {}).get("status") for m in t.messages)
    return {
        "number": number,
        "id": t.episode_id,
        "intent": t.intent.id,
        "utterance": t.intent.utterance[:_UTTERANCE],
        "persona": t.intent.persona.role if t.intent.persona else "",
        "domains": list(t.intent.domains),
        "tier": t.intent.complexity,
        "kits": [task.kit or task.title for task in t.intent.tasks],
        "agent": t.provenance.agent.name,
        "valid": t.valid,
        "success": t.success,
        "reward": t.reward,
        "turns": sum(is_users_turn(m) for m in t.messages),
        "calls": sum(1 for m in t.messages for _ in called_tools(m)),
        "failed": sum(status in FAILED for status in outcomes),
        "ending": t.termination.reason,
        "wall_s": t.wall_s,
    }


def packed(t: Trajectory) -> bytes:
    """A record as gzip of JSON, without token ids and log-probabilities."""
    record = t.model_dump(mode="json")
    for message in record["messages"]:
        note = message.get("x") or {}
        for key in _TOKENS & note.keys():
            del note[key]
    return gzip.compress(_json(record), compresslevel=6, mtime=0)


def static_page(title: str, trajectories: Iterable[Trajectory]) -> Iterator[str]:
    """Yield the pieces of a page that holds everything; memory grows with the index only.

    Args:
        title: Shown, and the title of the window.
        trajectories: In the order in which they are numbered.
    """
    index = []
    before, after = _frame(title)
    yield before
    for number, trajectory in enumerate(trajectories):
        index.append(summary(number, trajectory))
        yield _data(f"e-{number}", packed(trajectory))
    yield _data("index", gzip.compress(_json(index), mtime=0))
    yield after


def live_page(title: str) -> str:
    """The page for a server: it asks for its data as it goes."""
    before, after = _frame(title)
    return f'{before}<template id="live"></template>{after}'


def _frame(title: str) -> tuple[str, str]:
    """What comes before the data, and what after it."""
    page = _asset("page.html")
    for name, text in {
        "title": html.escape(title),
        "nonce": secrets.token_hex(16),
        "css": _asset("page.css"),
        "js": _asset("page.js"),
    }.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    before, _, after = page.partition("{{data}}")
    return before, after


def _data(id_: str, content: bytes) -> str:
    text = base64.b64encode(content).decode()
    return f'<script type="application/octet-stream" id="{id_}">{text}</script>\n'


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    return resources.files("ise_env.rollout.view").joinpath(name).read_text("utf-8")
