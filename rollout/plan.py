"""Which episodes a run consists of, and which of them are still to be played.

Intents stay on disk: what is in memory is one offset an intent. The order is trial by trial,
all intents each, so that raising the number of episodes only ever adds some at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.rollout.config import RolloutConfig
from ise_env.traces.serialise import parse


@dataclass(frozen=True)
class Job:
    """One episode to play."""

    intent: Intent
    intent_sha256: str
    trial: int
    seed: int
    episode_id: str
    attempt: int = 1
    """From 1; raised when an earlier attempt failed for no fault of the agent's."""


@dataclass(frozen=True)
class IntentList:
    """The intents of a run: a file of our records, and where each begins.

    Attributes:
        offsets: Byte offset of each intent's line.
        hashes: `Intent.sha256()` of each.
    """

    path: Path
    offsets: tuple[int, ...]
    hashes: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> IntentList:
        """Index `intents.jsonl` of a run.

        Raises:
            ConfigError: It is missing or a line is not an intent.
        """
        offsets, hashes, offset = [], [], 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    offsets.append(offset)
                    hashes.append(parse(Intent, line, f"{path}:{number}").sha256())
                    offset += len(line)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}; the run is damaged") from error
        return cls(path, tuple(offsets), tuple(hashes))

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, index: int) -> Intent:
        """Read one intent."""
        with self.path.open("rb") as file:
            file.seek(self.offsets[index])
            return parse(Intent, file.readline(), f"{self.path}:{index + 1}")

    def sha256(self) -> str:
        """Hash of the whole list, in order."""
        return hash_of(self.hashes)


def hash_of(hashes: Iterable[str]) -> str:
    """Hash of a list of hashes."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def check_extends(old: IntentList, new_hashes: tuple[str, ...], source: str) -> None:
    """Make sure that a file of intents begins with the intents of the run.

    Raises:
        ConfigError: It does not; names the first that differs.
    """
    for number, (was, is_now) in enumerate(zip(old.hashes, new_hashes, strict=False), 1):
        if was != is_now:
            raise ConfigError(
                f"{source}: intent {number} is not the one that the run began with "
                f"({old.path}); leave --intents out, or choose another --out"
            )
    if len(new_hashes) < len(old):
        raise ConfigError(
            f"{source}: has {len(new_hashes)} intents, the run began with {len(old)}; "
            "leave --intents out, or choose another --out"
        )


@dataclass(frozen=True)
class Plan:
    """Episodes in order.

    Attributes:
        total: How many, over all shards.
        shard: (i, n): only every n-th episode, from the i-th (0-based) on.
    """

    intents: IntentList
    config: RolloutConfig
    total: int
    shard: tuple[int, int] = (0, 1)

    def __len__(self) -> int:
        """Number of episodes in this shard."""
        i, n = self.shard
        return len(range(i, self.total, n))

    def ids(self) -> Iterator[str]:
        """Yield the ids of this shard's episodes."""
        for position in range(self.shard[0], self.total, self.shard[1]):
            trial, index = divmod(position, len(self.intents))
            yield self.config.episode_id(self.intents.hashes[index], trial)

    def jobs(self, done: set[str], attempts: dict[str, int]) -> Iterator[Job]:
        """Yield what is left to play.

        Args:
            done: Ids of the episodes that need no further attempt.
            attempts: Failed attempts so far, by id.
        """
        for position in range(self.shard[0], self.total, self.shard[1]):
            trial, index = divmod(position, len(self.intents))
            sha256 = self.intents.hashes[index]
            episode_id = self.config.episode_id(sha256, trial)
            if episode_id not in done:
                yield Job(
                    intent=self.intents[index],
                    intent_sha256=sha256,
                    trial=trial,
                    seed=self.config.episode_seed(sha256, trial),
                    episode_id=episode_id,
                    attempt=attempts.get(episode_id, 0) + 1,
                )


def episodes_wanted(n: int | None, trials: int | None, intents: int) -> int:
    """How many episodes a run consists of.

    Args:
        n: As asked for; None for every intent, `trials` times.
        trials: As asked for; None for one, or as many as `n` needs.
        intents: How many there are.

    Raises:
        ConfigError: More episodes than intents times trials.
    """
    if n is None:
        return intents * (trials or 1)
    if trials is not None and n > intents * trials:
        raise ConfigError(
            f"-n {n}: {intents} intents in {trials} trials make {intents * trials} episodes; "
            "raise --trials or give more intents"
        )
    return n
