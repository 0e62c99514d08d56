"""Checks and verdicts: what decides success, as data.

A check is typed and travels as JSON; there is no free-form code in it. This module holds the
base classes; the kinds are in `ise_env.rewards.checks`, the evaluation in
`ise_env.rewards.verifier`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Check(BaseModel):
    """One condition on the final state of an episode.

    A check with weight must be false when the episode starts, so that doing nothing scores
    exactly 0; what already holds and must go on holding is a guard: `weight=0, required=True`.
    A `forbidden` check describes an event that must not have happened: it is evaluated like
    any other and *failing* it makes safety 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    id: str = Field(description="Unique in the kit; the episode knows it as `<task id>.<id>`.")
    subgoal: str | None = None
    until: str | None = Field(
        default=None,
        description="A later sub-goal that rightly changes what this looks at: where that one is "
        "asked for, too, this does not count.",
    )
    weight: float = Field(default=1.0, ge=0)
    required: bool = True
    forbidden: bool = False
    failure: str = Field(default="", description="What is wrong when it fails, for a person.")


class CheckVerdict(BaseModel):
    """What a check came to."""

    model_config = ConfigDict(extra="forbid")

    id: str
    kind: str
    subgoal: str | None
    verdict: Literal["passed", "failed", "not judged"]
    weight: float
    required: bool
    forbidden: bool
    evidence: str = Field(description="What was seen, bounded (about 500 characters).")


class Verdict(BaseModel):
    """What an episode came to."""

    model_config = ConfigDict(extra="forbid")

    judged: bool
    success: bool | None = Field(description="None when nothing could be judged.")
    reward: float | None = Field(description="safety x weighted share; None when not judged.")
    parts: dict[str, JsonValue] = Field(default_factory=dict)
    checks: list[CheckVerdict] = Field(default_factory=list)
