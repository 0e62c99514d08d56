"""Rewording a file of intents with another realiser: concurrent and resumable.

The tuple and the parameters stay as they are; only the utterance and the record of who wrote
it change. What has been written is never asked for again.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ise_env.errors import ConfigError, ModelEndpointError
from ise_env.intents.load import load_intents
from ise_env.intents.model import Intent
from ise_env.intents.pools import Pools
from ise_env.intents.realisers import Draft, Wording
from ise_env.tasks.bind import bind


@dataclass
class Reworded:
    """What a run came to."""

    written: int = 0
    already: int = 0
    failed: int = 0


def draft_of(intent: Intent, pools: Pools) -> Draft:
    """The draft of an intent that was sampled before.

    Raises:
        ConfigError: It has no persona, or a task of it has no kit.
    """
    if intent.persona is None or not intent.checked or intent.complexity is None:
        raise ConfigError(f"intent {intent.id}: only sampled intents can be put into other words")
    tasks = tuple((str(bound.task.kit), bound.subgoals()) for bound in bind(intent))
    entries = (entry for entry in pools.personas if entry.id == intent.persona.id)
    family = next((entry.family for entry in entries), "")
    return Draft(intent.persona, family, intent.complexity, tasks, intent.seed or 0)


def reword(
    source: Path, out: Path, realiser: Wording, pools: Pools, *, concurrency: int = 4
) -> Iterator[Reworded]:
    """Write each intent of `source` to `out` in other words, in its order.

    What `out` already holds is kept: run it again to complete an interrupted run. An intent
    whose text could not be had is left out, and said so in `OUT.failed.jsonl`.

    Args:
        source: A file of sampled intents.
        out: Where to append; written and flushed one intent at a time.
        realiser: Thread-safe.
        pools: For the speakers' families.
        concurrency: Texts asked for at once.

    Yields:
        The counts so far, after each intent.

    Raises:
        ConfigError: A file cannot be used; or no intent at all could be reworded.
    """
    done = {intent.id for intent in load_intents(out)} if _holds_something(out) else set()
    counts = Reworded(already=len(done))
    out.parent.mkdir(parents=True, exist_ok=True)
    failures = out.with_name(f"{out.name}.failed.jsonl")
    with out.open("a", encoding="utf-8") as file, failures.open("w", encoding="utf-8") as lost:
        todo = (intent for intent in load_intents(source) if intent.id not in done)
        for intent, text in _ahead(todo, realiser, pools, concurrency):
            if isinstance(text, ModelEndpointError):
                counts.failed += 1
                lost.write(json.dumps({"id": intent.id, "error": str(text)}) + "\n")
                lost.flush()
                if counts.failed >= _HOPELESS and not counts.written:
                    raise text
            else:
                new = intent.model_copy(update={"utterance": text, "realiser": realiser.record})
                file.write(new.model_dump_json() + "\n")
                file.flush()
                counts.written += 1
            yield counts
    if not counts.failed:
        failures.unlink()


_HOPELESS = 5
"""So many failures and nothing written: the endpoint, not the texts, is at fault."""


def _ahead(
    intents: Iterable[Intent], realiser: Wording, pools: Pools, concurrency: int
) -> Iterator[tuple[Intent, str | ModelEndpointError]]:
    """Realise a bounded number of intents ahead, and yield them in order."""

    def attempt(intent: Intent) -> str | ModelEndpointError:
        try:
            return realiser.realise(draft_of(intent, pools))
        except ModelEndpointError as error:
            return error

    waiting: deque[tuple[Intent, Future[str | ModelEndpointError]]] = deque()
    with ThreadPoolExecutor(concurrency) as threads:
        try:
            for intent in intents:
                waiting.append((intent, threads.submit(attempt, intent)))
                if len(waiting) > 2 * concurrency:
                    first, text = waiting.popleft()
                    yield first, text.result()
            while waiting:
                first, text = waiting.popleft()
                yield first, text.result()
        finally:
            for _, text in waiting:
                text.cancel()


def _holds_something(path: Path) -> bool:
    if not path.exists():
        return False
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        # A line that a killed run did not finish.
        os.truncate(path, content.rfind(b"\n") + 1)
    return path.stat().st_size > 0
