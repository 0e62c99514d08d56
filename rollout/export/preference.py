"""Pairs of a success and a failure of one intent: `{"prompt", "chosen", "rejected", "tools"}`.

TRL's conversational preference layout. The prompt is what both episodes have in common from the
start; it must hold the user's first words, so only episodes that began alike are paired: two
agents of one evaluation, or one agent played again with the same seeds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from ise_env.rollout.export.files import Report
from ise_env.rollout.export.shape import Message, Shape
from ise_env.rollout.export.source import Source
from ise_env.traces.record import Trajectory

Opening = tuple[str, str]
"""Hash of the intent, the user's first words."""


def rows(source: Source, shape: Shape, report: Report) -> Iterator[dict[str, Any]]:
    """Yield pairs; each episode is in one pair at most.

    Two passes: the first counts what can be paired, so that the second holds only episodes
    whose partner is still to come.
    """
    report.unit = "pair"
    wins: Counter[Opening] = Counter()
    losses: Counter[Opening] = Counter()
    for episode in source.episodes():
        (wins if episode.success else losses)[_opening(episode)] += episode.success is not None
    waiting: dict[Opening, list[tuple[bool, list[Message]]]] = defaultdict(list)
    left = {opening: min(wins[opening], losses[opening]) for opening in wins}
    taken: Counter[tuple[Opening, bool]] = Counter()
    for episode in source.episodes():
        opening, success = _opening(episode), episode.success
        if success is None or taken[opening, success] >= left.get(opening, 0):
            source.selection.left_out["no partner with the same opening"] += 1
            continue
        taken[opening, success] += 1
        messages = shape.chat(episode.messages)
        other = next((w for w in waiting[opening] if w[0] != success), None)
        if other is None:
            waiting[opening].append((success, messages))
            continue
        waiting[opening].remove(other)
        chosen, rejected = (messages, other[1]) if success else (other[1], messages)
        common = _common(chosen, rejected)
        yield {
            "prompt": chosen[:common],
            "chosen": chosen[common:],
            "rejected": rejected[common:],
            "tools": source.tools(episode),
        }


def _opening(episode: Trajectory) -> Opening:
    first = next((m["content"] for m in episode.messages if m["role"] == "user"), "")
    return episode.intent_sha256, first


def _common(a: list[Message], b: list[Message]) -> int:
    """Messages that both begin with, up to and without the first assistant that differs."""
    same = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        same += 1
    # What is chosen must be the agent's: the prompt ends where its next word begins.
    while same and (same >= min(len(a), len(b)) or a[same]["role"] != "assistant"):
        same -= 1
    while same and b[same]["role"] != "assistant":
        same -= 1
    return same
