"""The realiser that asks a model, and does not take its word for it.

The answer is structured, and code checks it: every fact stands in the text, every sub-goal is
quoted from it, and no detail of the machine was made up. What fails is asked for again, naming
the rule, a bounded number of times; a text is never edited.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any

from pydantic import BaseModel, ConfigDict

from ise_env.errors import ModelEndpointError
from ise_env.intents.model import Complexity, Realiser
from ise_env.intents.pools import Style
from ise_env.intents.realisers import Draft, missing_facts
from ise_env.llm import ModelClient, structured

PROMPT = "llm_prompt.v1.md"
VERSION = "1"

_WORDS: dict[Complexity, int] = {"simple": 60, "medium": 110, "complex": 160}
_DETAIL = re.compile(
    r"`([^`\n]+)`|(?<![\w/])((?:~?/)?[\w.-]+(?:/[\w.-]+)+|[\w-]+\.[a-z]{1,4}\d?(?![\w]))|(\d{2,})"
)


class Realisation(BaseModel):
    """What the model answers."""

    model_config = ConfigDict(extra="forbid")

    utterance: str
    quotes: list[str]


class Unfaithful(ModelEndpointError):
    """The model left something out or made something up, however often it was asked.

    Attributes:
        problems: What was wrong with each text.
    """

    def __init__(self, message: str, problems: Sequence[str]) -> None:
        super().__init__(message, retryable=True)
        self.problems = tuple(problems)


class LLMRealiser:
    """Puts drafts into words with a model. Thread-safe.

    Args:
        client: The model; its meter shows calls, tokens and cost under the role `realiser`.
        styles: The pool's styles by name, for sample lines.
        language: In which to write, as English calls it.
        reasks: How often an unfaithful text is asked for again.
    """

    def __init__(
        self,
        client: ModelClient,
        styles: Mapping[str, Style],
        *,
        language: str = "English",
        reasks: int = 3,
    ) -> None:
        self._client = client
        self._styles = styles
        self._language = language
        self._reasks = reasks
        text = resources.files("ise_env.intents.realisers").joinpath(PROMPT).read_text("utf-8")
        self._prompt = Template(text)
        self.record = Realiser(
            name="llm",
            version=VERSION,
            model=client.endpoint.model,
            prompt_sha256=hashlib.sha256(text.encode()).hexdigest(),
            scripted=False,
        )

    def realise(self, draft: Draft) -> str:
        """Return a faithful utterance.

        Raises:
            Unfaithful: None came in the allowed number of tries.
            ModelEndpointError: The endpoint failed.
        """
        messages = self._messages(draft)
        problems: list[str] = []
        for _ in range(self._reasks + 1):
            answer = structured(self._client, messages, Realisation, role="realiser")
            found = list(unfaithful(answer.value, draft))
            if not found:
                return answer.value.utterance.strip()
            problems.append("; ".join(found))
            messages = [
                *self._messages(draft),
                {"role": "assistant", "content": answer.value.model_dump_json()},
                {
                    "role": "user",
                    "content": f"That text cannot be used: {problems[-1]}. Write it again.",
                },
            ]
        model = self._client.endpoint.model
        raise Unfaithful(
            f"{model}: no faithful utterance in {len(problems)} tries; last: {problems[-1]}",
            problems,
        )

    def _messages(self, draft: Draft) -> list[dict[str, Any]]:
        words = round(_WORDS[draft.complexity] + 25 * len(draft.subgoals), -1)
        system = self._prompt.substitute(language=self._language, words=words)
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": "\n".join(self._brief(draft))},
        ]

    def _brief(self, draft: Draft) -> Iterator[str]:
        persona = draft.persona
        style = self._styles.get(persona.communication_style)
        yield f"Person: {persona.name}, {persona.role}, {persona.work_context}."
        yield f"Industry: {persona.industry}. Level: {persona.experience_level}."
        yield f"Knows about: {', '.join(persona.expertise)}."
        yield f"Style: {persona.communication_style}."
        if style is not None:
            yield f"{style.description} Sounds like: {' / '.join(style.samples)}"
        yield "\nList:"
        for number, goal in enumerate(draft.subgoals, 1):
            yield f"{number}. {goal.request}."
            if facts := list(dict.fromkeys(fact.value for fact in goal.facts)):
                yield f"   verbatim: {' | '.join(facts)}"


def unfaithful(answer: Realisation, draft: Draft) -> Iterator[str]:
    """Say what is wrong with a text: left out, not quoted, or made up."""
    text = answer.utterance
    if missing := missing_facts(text, draft.subgoals):
        yield f"these strings are missing or changed: {' | '.join(missing)}"
    goals = draft.subgoals
    if len(answer.quotes) != len(goals):
        yield f"{len(goals)} quotes are needed, one for each item, not {len(answer.quotes)}"
    flat = _flat(text)
    for number, quote in enumerate(answer.quotes, 1):
        if len(_flat(quote)) < 3 or _flat(quote) not in flat:
            yield f"quote {number} does not stand in the text"
    if len(set(map(_flat, answer.quotes))) < len(answer.quotes):
        yield "two items are quoted by the same words"
    known = _flat(" ".join([*(goal.request for goal in goals), *_of_persona(draft)]))
    if made_up := [detail for detail in _details(text) if _flat(detail) not in known]:
        yield f"these details are not in the list: {' | '.join(dict.fromkeys(made_up))}"


def _details(text: str) -> list[str]:
    """Paths, file names, quoted code and numbers of two digits or more."""
    return [next(filter(None, match)).rstrip(".") for match in _DETAIL.findall(text)]


def _of_persona(draft: Draft) -> list[str]:
    persona = draft.persona
    return [persona.name, persona.role, persona.work_context, persona.industry, *persona.expertise]


def _flat(text: str) -> str:
    return " ".join(text.casefold().split()).strip("\"'“”‘’ .")
