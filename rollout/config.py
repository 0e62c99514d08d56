"""What a rollout is asked to do, and which part of it decides what an episode is."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ise_env.errors import ConfigError
from ise_env.llm import Endpoint
from ise_env.traces.layout import Manifest
from ise_env.traces.serialise import canonical
from ise_env.workspaces.protocol import Limits

_MODEL_SPEC = re.compile(r"(?P<kind>openai|llm(?:\+[\w+-]+)?):(?P<endpoint>.+)", re.DOTALL)


class RolloutConfig(BaseModel):
    """Everything that shapes episodes; how fast they are collected is not in here.

    Attributes:
        agent: `oracle`, `openai:<model>@<base_url>`, `module:attribute`, ...
        user: `rule`, `llm:<model>@<base_url>`; None for direct-query mode.
        workspace: `local`, `docker:<image>`, ...
        seed: The seed of an episode is derived from it, the intent and the trial.
        system_prompt: Text that replaces the packaged prompt.
        web: Who stands behind the web tools; None for the tasks' own sites only.
        episode_time_s: Wall-clock seconds after which an episode is truncated, between steps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: str
    user: str | None = "rule"
    workspace: str = "local"
    seed: int = Field(default=0, ge=0)
    tools: tuple[str, ...] | None = None
    web: str | None = None
    system_prompt: str | None = None
    max_turns: int = Field(default=20, ge=1)
    max_tool_calls: int = Field(default=200, ge=1)
    tool_time_s: float = Field(default=600.0, gt=0)
    token_budget: int | None = Field(default=None, ge=1)
    episode_time_s: float | None = Field(default=None, gt=0)
    limits: dict[str, JsonValue] = Field(default_factory=lambda: asdict(Limits()))
    allow_degraded: tuple[str, ...] = ()
    allow_kit_drift: bool = False

    def env_arguments(self) -> dict[str, Any]:
        """Keyword arguments of `IntentEnv`, but for the intent."""
        return self.model_dump(exclude={"agent", "seed", "episode_time_s"})

    def identity(self) -> dict[str, JsonValue]:
        """What decides what an episode is: hosts and ports left out, long text hashed."""
        plain: dict[str, JsonValue] = self.model_dump(mode="json")
        if self.web is None:
            del plain["web"]  # runs from before there was such a thing go on as they began
        plain["agent"] = without_endpoint(self.agent)
        plain["user"] = None if self.user is None else without_endpoint(self.user)
        if self.system_prompt is not None:
            plain["system_prompt"] = hashlib.sha256(self.system_prompt.encode()).hexdigest()
        return plain

    def episode_seed(self, intent_sha256: str, trial: int) -> int:
        """Seed of one episode, below 2**31; does not depend on the order of the intents."""
        digest = hashlib.sha256(f"{self.seed}:{intent_sha256}:{trial}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    def episode_id(self, intent_sha256: str, trial: int) -> str:
        """Content hash of intent, trial, seed and identity: 16 hexadecimal digits."""
        parts = [intent_sha256, trial, self.episode_seed(intent_sha256, trial), self.identity()]
        return hashlib.sha256(canonical(parts)).hexdigest()[:16]


def without_endpoint(spec: str) -> str:
    """What of a model specification decides what an episode is: the model and its sampling.

    Addresses, headers, time limits and the like are left out; other specifications are whole.

    Raises:
        ConfigError: It names a model in a way that cannot be read.
    """
    match = _MODEL_SPEC.fullmatch(spec)
    if match is None:
        return spec
    endpoint = Endpoint.parse(match["endpoint"])
    asked = {**endpoint.sampling, **{f"extra.{k}": v for k, v in endpoint.extra_body.items()}}
    if endpoint.compact:
        asked["compact"] = True
    options = canonical(asked).decode() if asked else ""
    return f"{match['kind']}:{endpoint.model}{options}"


def without_headers(spec: str) -> str:
    """A model specification without request headers, which may hold secrets."""
    head, hash_, options = spec.partition("#")
    if not _MODEL_SPEC.match(spec) or "header." not in options:
        return spec
    kept = [o for o in options.split(",") if not o.startswith("header.")]
    return head + (hash_ + ",".join(kept) if kept else "")


def run_id_of(config: RolloutConfig, intents_sha256: str) -> str:
    """Content hash naming a run: the same intents and identity give the same name."""
    return hashlib.sha256(canonical([config.identity(), intents_sha256])).hexdigest()[:12]


def refuse_changes(manifest: Manifest, config: RolloutConfig, where: str) -> None:
    """Make sure that a run is continued as it was begun.

    Raises:
        ConfigError: The configuration changed; names every change.
    """
    was, is_now = manifest.identity, config.identity()
    changes = [
        f"{key} was {_short(was.get(key))}, is {_short(is_now.get(key))}"
        for key in sorted(was.keys() | is_now.keys())
        if was.get(key) != is_now.get(key)
    ]
    if changes:
        raise ConfigError(
            f"{where}: the configuration changed since the run began: {'; '.join(changes)}; "
            "leave those options out, or choose another --out"
        )


def _short(value: JsonValue) -> str:
    text = canonical(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."
