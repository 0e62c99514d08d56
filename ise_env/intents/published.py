"""The layout in which the ISETrace intents are published, to and from ours.

One JSON object a line: `id`, `natural_language_intent`, `domains[]`, `tasks[]`, `persona_id`,
`tools_used[]`, `complexity`, `metadata.persona`, `metadata.domains[].selected_tasks[]`.
`domains`, `tasks` and `tools_used` are opaque ids there; the names are under `metadata`.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ise_env.intents.jsonl import validated
from ise_env.intents.model import Complexity, Intent, Persona, Task


class _Foreign(BaseModel):
    # The layout is not ours: what we do not know is kept in `original`, not refused.
    model_config = ConfigDict(extra="ignore")


class _PublishedPersona(_Foreign):
    name: str = Field(min_length=1)
    role: str
    industry: str
    expertise: tuple[str, ...] = ()
    experience_level: str = ""
    communication_style: str = ""
    work_context: str = ""


class _PublishedTask(_Foreign):
    name: str = Field(min_length=1)
    description: str = ""


class _PublishedDomain(_Foreign):
    name: str = Field(min_length=1)
    description: str = ""
    selected_tasks: tuple[_PublishedTask, ...] = ()


class _Metadata(_Foreign):
    persona: _PublishedPersona | None = None
    domains: tuple[_PublishedDomain, ...] = ()


class _PublishedIntent(_Foreign):
    id: str = Field(min_length=1)
    natural_language_intent: str = Field(min_length=1, pattern=r"\S")
    persona_id: str | None = None
    complexity: Complexity | None = None
    metadata: _Metadata = _Metadata()


def is_published(record: dict[str, Any]) -> bool:
    """Whether a record is in the published layout rather than ours."""
    return "natural_language_intent" in record


def is_trajectory(record: dict[str, Any]) -> bool:
    """Whether a record is a whole published trajectory, which names its intent."""
    return "intent_id" in record and "intent" in record and "messages" in record


def of_trajectory(record: dict[str, Any]) -> dict[str, Any]:
    """The published intent record inside a published trajectory, without its messages."""
    metadata = record.get("metadata")
    if isinstance(metadata, dict):
        metadata = {key: metadata[key] for key in ("persona", "domains") if key in metadata}
    return {
        "id": record["intent_id"],
        "natural_language_intent": record["intent"],
        "metadata": metadata or {},
    }


def from_published(record: dict[str, Any], where: str) -> Intent:
    """Read a published record; no task has a kit, so code will not judge it.

    Args:
        record: The object; kept whole in `Intent.original`.
        where: `FILE:LINE` for error messages.

    Raises:
        ConfigError: A field of the layout is missing or of the wrong type.
    """
    read = validated(_PublishedIntent, record, where)
    tasks = [
        (domain.name, task) for domain in read.metadata.domains for task in domain.selected_tasks
    ]
    return Intent(
        id=read.id,
        utterance=read.natural_language_intent,
        persona=_persona(read),
        domains=tuple(dict.fromkeys(domain.name for domain in read.metadata.domains)),
        tasks=tuple(
            Task(id=f"t{n}", domain=domain, title=task.name, description=task.description)
            for n, (domain, task) in enumerate(tasks, 1)
        ),
        complexity=read.complexity,
        source="published",
        original=record,
    )


def to_published(intent: Intent, descriptions: dict[str, str]) -> dict[str, Any]:
    """Write an intent in the published layout.

    An intent that came from there is returned as it was. Ours carries its names in the id
    fields too, since its ids are readable; `skills_used` has no counterpart and is left out.

    Args:
        intent: Any intent.
        descriptions: Of each domain by name, for `metadata.domains[].description`.
    """
    if intent.source == "published" and intent.original is not None:
        return intent.original
    domains = [
        {
            "name": domain,
            "description": descriptions.get(domain, ""),
            "selected_tasks": [
                {"name": task.title, "description": task.description}
                for task in intent.tasks
                if task.domain == domain
            ],
        }
        for domain in intent.domains
    ]
    metadata: dict[str, Any] = {"domains": domains}
    record: dict[str, Any] = {
        "id": intent.id,
        "natural_language_intent": intent.utterance,
        "domains": list(intent.domains),
        "tasks": [task.kit or task.title for task in intent.tasks],
        "tools_used": _tools(intent),
        "metadata": metadata,
    }
    if intent.complexity is not None:
        record["complexity"] = intent.complexity
    if intent.persona is not None:
        record["persona_id"] = intent.persona.id
        metadata["persona"] = intent.persona.model_dump(mode="json", exclude={"id"})
    return record


def _tools(intent: Intent) -> list[str]:
    from ise_env.tasks.registry import get  # kits import the intent model

    kits = [get(task.kit) for task in intent.tasks if task.kit is not None]
    return sorted({tool for kit in kits for tool in kit.tools})


def _persona(read: _PublishedIntent) -> Persona | None:
    given = read.metadata.persona
    if given is None:
        return None
    slug = re.sub(r"[^a-z0-9]+", "-", f"{given.name} {given.role}".lower()).strip("-")
    return Persona(id=read.persona_id or slug or "unnamed", **given.model_dump())
