"""The trajectory record: one episode, one JSON object.

Messages keep the OpenAI wire shape, verbatim; everything of ours about a message is under its
one key `x`, which exporters strip. What is constant over a run (tool schemas, system prompts)
is stored once by hash and referred to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ise_env.intents.model import Intent
from ise_env.rewards.spec import CheckVerdict
from ise_env.users.protocol import UserVerdict
from ise_env.workspaces.protocol import FileChange

SCHEMA_VERSION = 1

TerminationReason = Literal[
    "user_satisfied",
    "user_gave_up",
    "agent_ended",
    "turn_budget",
    "tool_call_budget",
    "token_budget",
    "context_overflow",
    "tool_time_budget",
    "workspace_gone",
    "time_limit",
    "error",
    "unknown",
]
"""`unknown`: recorded elsewhere, and the record does not say."""

SubagentStatus = Literal["running", "done", "failed", "timeout", "killed"]
"""`running`: the episode ended first."""


class Record(BaseModel):
    """Base of the record's parts; what stands below a field goes into the JSON Schema."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class AgentProvenance(Record):
    """Who acted."""

    name: str
    version: str = ""
    scripted: bool
    privileged: bool = False
    """Whether it reads the intent's own solutions."""
    model: str | None = None
    endpoint: str | None = None
    """Host and path only, never a key."""
    sampling: dict[str, JsonValue] = {}


class Termination(Record):
    """Why the episode ended."""

    reason: TerminationReason
    by: Literal["user", "agent", "budget", "harness"]
    truncated: bool


class ErrorRecord(Record):
    """What made an episode invalid."""

    kind: str
    """Class name of `ise_env.errors`."""
    blame: str
    message: str
    retryable: bool


class WorkspaceRecord(Record):
    """Where the episode ran, and what it left."""

    backend: str
    image: str
    limits: dict[str, JsonValue]
    degraded: list[str] = Field(default_factory=list)
    diff: list[FileChange] = Field(default_factory=list)
    """Files against the start, with hashes; no directories, caches or version-control internals."""
    diff_left_out: int = 0
    """How many changed paths of those kinds there were."""


class Recovery(Record):
    """A failed tool call and the later call that made it good."""

    failed: str
    """Id of the failed call."""
    recovered: str
    """Id of the call that made it good."""
    calls_between: int
    tool: str


class SubagentRecord(Record):
    """One sub-agent's work, played by the same policy in the same workspace.

    Its key and run id are in the result of the call that began it (`sessions_spawn`, or
    `sessions_send` into an earlier session) and in the message that announced its result.
    """

    session_key: str
    run_id: str
    begun_by: Literal["sessions_spawn", "sessions_send"]
    begun_in_step: int
    """The assistant message of the parent, from 1, during which it began."""
    label: str
    task: str
    status: SubagentStatus
    result: str
    """Its last words, or why it has none."""
    messages: list[dict[str, Any]]
    """OpenAI wire shape plus `x`, as in the episode's own; `x.earlier` marks what an earlier
    session held already."""
    tools: list[str]
    """Names of the tools it was offered, of the episode's own."""
    steps: int
    """Assistant messages."""
    recoveries: list[Recovery] = Field(default_factory=list)
    usage: dict[str, JsonValue] | None = None
    """Summed over its calls, and part of the episode's usage; None where no model ran."""


class UserRecord(Record):
    """Who played the user."""

    name: str
    version: str
    scripted: bool
    model: str | None = None
    prompt_sha256: str | None = None
    lock_sha256: str | None = None
    """Of the role lock's classifier that judged its turns; None where no model phrased them."""


class Provenance(Record):
    """Who and what produced the episode."""

    agent: AgentProvenance
    user: UserRecord | None
    """None in direct-query mode."""
    realiser: dict[str, JsonValue] | None
    judge: dict[str, JsonValue] | None = None
    versions: dict[str, str]
    system_prompt_sha256: str
    tools_sha256: str


class Trajectory(Record):
    """One episode."""

    schema_version: Literal[1] = 1
    episode_id: str
    """Content hash of intent, trial, seed and the configuration that matters; never of hosts, ports
    or concurrency."""
    run_id: str
    """Content hash of the intents and the configuration that matters."""
    intent: Intent
    """What the user wants, whole."""
    intent_sha256: str
    """Hash of the intent's canonical JSON."""
    trial: int
    """Which time the intent is played in this run, from 0."""
    seed: int | None
    """What the episode was reset with; None when it was reset without one."""
    messages: list[dict[str, Any]]
    """OpenAI wire shape plus `x` {turn, step, outcome, user, usage, timing, ...}."""
    steps: int
    """Environment steps (assistant messages)."""
    reward: float | None
    """None when nothing was judged or the episode is invalid."""
    success: bool | None
    """Whether all required checks passed and nothing forbidden happened; None like `reward`."""
    reward_parts: dict[str, JsonValue] = Field(default_factory=dict)
    """What the reward is made of: safety, weighted share of checks, sub-goals."""
    checks: list[CheckVerdict] = Field(default_factory=list)
    """Every check with its verdict and what was seen."""
    termination: Termination
    """Why the episode ended, and who ended it."""
    valid: bool
    """False when the user simulator, the workspace's machinery, the model endpoint or the verifier
    failed; such an episode says nothing about the agent."""
    error: ErrorRecord | None = None
    """What failed, in an invalid episode."""
    user_verdict: UserVerdict | None = None
    """The simulated user's own opinion; never part of the reward."""
    ledger: dict[str, Any] | None = None
    """What the user believed of each sub-goal, and what was true by the checks."""
    recoveries: list[Recovery] = Field(default_factory=list)
    """Failed tool calls, and the later call that made each good."""
    subagents: list[SubagentRecord] = Field(default_factory=list)
    workspace: WorkspaceRecord | None
    """Where it ran, its limits, and the files that differ at the end."""
    provenance: Provenance
    """Who and what produced it: models, prompts by hash, versions."""
    usage: dict[str, JsonValue] | None = None
    """Summed over the agent's calls; None where no model ran."""
    cost_usd: dict[str, float] | None = None
    """By role (`agent`, `user`), where its model's price and usage are known."""
    wall_s: float
    """Seconds from reset to the record."""
    redactions: int = 0
    """Secrets that were taken out before writing."""
    foreign: dict[str, JsonValue] | None = None
    """Of a record imported from another layout: what has no place here, kept to write it back."""


def is_users_turn(message: Mapping[str, Any]) -> bool:
    """Whether a recorded message was said by the user, not announced by the runtime."""
    return message.get("role") == "user" and "announcement" not in (message.get("x") or {})
