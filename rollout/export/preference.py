"""Pairs of a success and a failure of one intent: `{"prompt", "chosen", "rejected", "tools"}`.

TRL's conversational preference layout. The prompt is what both episodes have in common from the
start; it must hold the user's first words, so only episodes that began alike are paired (system
prompt, tools, first words): two agents of one evaluation, or one agent played again with the same
seeds. One in which the agent never said anything has nothing to choose or to reject.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from ise_env.rollout.export.files import Report
from ise_env.rollout.export.shape import Message, Shape
from ise_env.rollout.export.source import Source
from ise_env.traces.record import Trajectory
from ise_env.traces.serialise import canonical

Opening = tuple[str, str, bytes]
"""Hashes of the intent and of the tools, and all that was said before the agent spoke."""


def rows(source: Source, shape: Shape, report: Report) -> Iterator[dict[str, Any]]:
    """Yield pairs; each episode is in one pair at most.

    Two passes: the first counts what can be paired, so that the second holds only episodes
    whose partner is still to come.
    """
    report.unit = "pair"
    wins: Counter[Opening] = Counter()
    losses: Counter[Opening] = Counter()
    for episode in source.episodes():
        if episode.success is not None and _agent_spoke(episode):
            (wins if episode.success else losses)[_opening(episode)] += 1
    waiting: dict[Opening, list[tuple[bool, list[Message]]]] = defaultdict(list)
    left = {opening: min(wins[opening], losses[opening]) for opening in wins}
    taken: Counter[tuple[Opening, bool]] = Counter()
    for episode in source.episodes():
        opening, success = _opening(episode), episode.success
        if success is None:
            source.selection.left_out["not judged"] += 1
            continue
        if not _agent_spoke(episode):
            source.selection.left_out["the agent said nothing"] += 1
            continue
        if taken[opening, success] >= left.get(opening, 0):
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
    before = takewhile(lambda m: m["role"] != "assistant", episode.messages)
    said = canonical([[m["role"], m.get("content")] for m in before])
    return episode.intent_sha256, episode.provenance.tools_sha256, said


def _agent_spoke(episode: Trajectory) -> bool:
    return any(m["role"] == "assistant" for m in episode.messages)


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
