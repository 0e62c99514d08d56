"""Intents: what a person wants, and what makes it real.

One record, one line of JSON, one environment. An intent sampled here carries kits and so is
checked by code; a published record or a line of text carries none and is not judged by code.
This module knows the record only: not how it is sampled, loaded, or turned into an episode.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

Complexity = Literal["simple", "medium", "complex"]
Source = Literal["sampled", "published", "text"]


class Persona(BaseModel):
    """Who the user is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    role: str
    industry: str
    expertise: tuple[str, ...] = ()
    experience_level: str = ""
    communication_style: str = ""
    work_context: str = ""


class Task(BaseModel):
    """One sampled task; real when a kit stands behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Unique in the intent: t1, t2, ...; prefixes sub-goal ids.")
    domain: str
    title: str
    description: str = ""
    kit: str | None = Field(default=None, description="`<domain>/<kit>`; None: nothing checked.")
    version: int | None = Field(default=None, description="Of the kit that drew `params`.")
    params: dict[str, JsonValue] = Field(default_factory=dict)
    steps: int | None = Field(
        default=None, ge=1, description="How many of the kit's sub-goals are asked for, the first."
    )

    @model_validator(mode="after")
    def _kit_has_version(self) -> Task:
        if (self.kit is None) != (self.version is None):
            raise ValueError("kit and version go together: give both or neither")
        return self


class Realiser(BaseModel):
    """What turned the tuple into words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = ""
    model: str | None = None
    prompt_sha256: str | None = None
    scripted: bool = True


class Step(BaseModel):
    """One step of an utterance that no kit stands behind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: str = Field(min_length=2)
    label: str = Field(min_length=2)


class Pieces(BaseModel):
    """An utterance taken apart once, so that every episode asks for the same steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: tuple[str, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)
    model: str | None = Field(default=None, description="Who took it apart; None: rules.")


class Intent(BaseModel):
    """One structured user intent.

    Attributes:
        utterance: The whole request as this person would put it, first person.
        tasks: In the order in which the user means to ask for them.
        pieces: The steps of an utterance without kits, where they were stored
            (`ise intents split`); None: the user takes it apart when the episode begins.
        original: A foreign record kept whole, so that it can be written back unchanged.
        canary: In every record of a held-out suite: a corpus that contains it was trained on
            the test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    id: str
    utterance: str = Field(min_length=1)
    persona: Persona | None = None
    domains: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    complexity: Complexity | None = None
    realiser: Realiser | None = None
    source: Source = "sampled"
    seed: int | None = None
    language: str = "en"
    pieces: Pieces | None = None
    original: dict[str, Any] | None = None
    canary: str | None = None

    @model_validator(mode="after")
    def _task_ids_are_unique(self) -> Intent:
        ids = [task.id for task in self.tasks]
        if len(ids) != len(set(ids)):
            raise ValueError(f"task ids are not unique: {ids}")
        return self

    @property
    def checked(self) -> bool:
        """Whether success is decided by code: every task has a kit."""
        return bool(self.tasks) and all(task.kit for task in self.tasks)

    def sha256(self) -> str:
        """Hash of the canonical JSON of the record."""
        text = json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        return hashlib.sha256(text.encode()).hexdigest()
