"""Token-level sequences for reinforcement learning: what was sampled, and what it earned.

One line an episode: `{"episode_id", "intent_id", "trial", "reward", "success", "sequences"}`,
a sequence being `{"tokens", "mask", "logprobs"}`: token ids, 1 where the policy sampled the
token, and its log-probability there (0 elsewhere; null where the server gave none). Steps are
joined into one sequence as long as each prompt begins with the tokens before it; where a chat
template rewrites the past (reasoning dropped, history compacted), a new sequence begins, so that
every sampled token is trained on in exactly the context it was sampled in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ise_env.rollout.export.files import Report
from ise_env.rollout.export.shape import Shape
from ise_env.rollout.export.source import Source


@dataclass
class Sequence:
    """Tokens with what is to be learnt of them."""

    tokens: list[int]
    mask: list[int]
    logprobs: list[float] | None

    def extend(self, tokens: list[int], sampled: int, logprobs: list[float] | None) -> None:
        """Add context (`sampled` 0) or sampled tokens (1)."""
        self.tokens += tokens
        self.mask += [sampled] * len(tokens)
        if self.logprobs is not None:
            known = [0.0] * len(tokens) if not sampled else logprobs
            self.logprobs = None if known is None else self.logprobs + known


def rows(source: Source, shape: Shape, report: Report) -> Iterator[dict[str, Any]]:
    """Yield an object for each episode whose every step has its token ids."""
    for episode in source.episodes():
        sequences = sequences_of(episode.messages)
        if sequences is None:
            source.selection.left_out["without token ids"] += 1
            continue
        yield {
            "episode_id": episode.episode_id,
            "intent_id": episode.intent.id,
            "trial": episode.trial,
            "reward": episode.reward,
            "success": episode.success,
            "sequences": [vars(sequence) for sequence in sequences],
        }


def sequences_of(messages: list[dict[str, Any]]) -> list[Sequence] | None:
    """Join an episode's steps; None where a step lacks its token ids."""
    found: list[Sequence] = []
    for message in messages:
        if message["role"] != "assistant":
            continue
        note = message.get("x") or {}
        prompt, sampled = note.get("prompt_token_ids"), note.get("token_ids")
        if not prompt or not sampled:
            return None
        if not found or prompt[: len(found[-1].tokens)] != found[-1].tokens:
            found.append(Sequence([], [], []))
        found[-1].extend(prompt[len(found[-1].tokens) :], 0, None)
        found[-1].extend(sampled, 1, _logprobs(note.get("logprobs"), len(sampled)))
    return found or None


def _logprobs(given: Any, n: int) -> list[float] | None:
    """One for each sampled token; None where the server gave none, or another number."""
    content = given.get("content") if isinstance(given, dict) else None
    if not isinstance(content, list) or len(content) != n:
        return None
    return [float(token["logprob"]) for token in content]
