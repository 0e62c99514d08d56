"""LLMUser: the ledger decides, a model phrases, the role lock has the last word.

The rule user plans every turn: its act, its sub-goal, the facts and what it points at. A model
with a client and a context of its own puts the plan into words. A turn that breaks a rule is
discarded, never edited; the model is told the rule and asked again, at most `MAX_REASKS`
times; then the rule user's own wording is said. Every attempt is recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ise_env.errors import ContextOverflow, ModelEndpointError
from ise_env.intents.model import Intent
from ise_env.llm.client import ModelClient
from ise_env.llm.structured import NotStructured, Structured, structured
from ise_env.users.ledger import FactState
from ise_env.users.lock import Scene, judge
from ise_env.users.lock.classifier import classifier_sha256
from ise_env.users.lock.setting import scene_for
from ise_env.users.prompting import prompt, prompt_sha256, rejected
from ise_env.users.protocol import Act, Digest, UserProvenance, UserTurn
from ise_env.users.rule import RuleUser
from ise_env.workspaces.protocol import FileChange

VERSION = "1"
MAX_REASKS = 3
_LONGEST_REQUEST = 1_600
_MAX_TOKENS = 1_200


_UNREADABLE = re.compile(
    r"produced output that does not match|failed to parse (?:the )?output", re.I
)
"""llama.cpp answers 500 when its own model's output is cut off or breaks the grammar."""

_NOTHING = re.compile(r"(?:[`~\s]|</s>|<\|\w+\|>)*")
"""The end of a code fence, and marks of its own that an endpoint leaves in."""

Detail = Annotated[str, Field(max_length=120)]


class PhrasedTurn(BaseModel):
    """What the model answers with."""

    model_config = ConfigDict(extra="forbid")

    act: Act
    subgoal: str | None = None
    facts_used: list[Detail] = Field(default_factory=list, max_length=8)
    new_facts: list[Detail] = Field(default_factory=list, max_length=3)
    observed: list[Detail] = Field(default_factory=list, max_length=4)
    message: str


class LLMUser:
    """One episode's user, phrased by a model.

    Args:
        planner: Decides what is said; its wording is the fallback.
        intent: Who asks.
        client: The user's own; never the agent's.
        lock: False leaves every well-formed turn as it is and only records the rules it breaks
            (the ablation without role lock).
        name: For the provenance.
    """

    def __init__(
        self,
        planner: RuleUser,
        intent: Intent,
        client: ModelClient,
        *,
        lock: bool = True,
        name: str = "llm",
    ) -> None:
        self._planner = planner
        self._intent = intent
        self._client = client
        self._lock = lock
        self.provenance = UserProvenance(
            name=name,
            version=VERSION,
            scripted=False,
            model=client.endpoint.model,
            prompt_sha256=prompt_sha256(),
            lock_sha256=classifier_sha256(),
        )

    def open(self) -> UserTurn:
        """Say the first words."""
        return self._phrase(self._planner.open(), Digest(agent_text=""))

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """Look where the planner looks."""
        return self._planner.wants_to_open(agent_text, changes)

    def reply(self, digest: Digest) -> UserTurn:
        """Answer the agent's message.

        Raises:
            ModelEndpointError: The endpoint failed; what it answers never raises.
        """
        plan = self._planner.reply(digest)
        return self._phrase(plan, self._planner.sees(digest))

    def ledger(self) -> dict[str, Any]:
        """The planner's ledger: the model owns no state."""
        return self._planner.ledger()

    def _phrase(self, plan: UserTurn, digest: Digest) -> UserTurn:
        """Have the planned turn put into words, or say it in the planner's."""
        planner = self._planner
        book, voice, context = planner.book, planner.voice, planner.context
        goal = book.goals[plan.subgoal or next(iter(book.goals))].goal
        attempts: list[dict[str, Any]] = []
        if len(goal.request) > _LONGEST_REQUEST:
            return self._said(plan, [{"source": "template", "rules": [], "why": "long request"}])
        scene = scene_for(plan, book, digest, self._intent, voice=voice, context=context)
        asked = prompt(plan, planner.case, book, digest, self._intent, voice, context)
        history = list(asked)
        for _ in range(1 + MAX_REASKS):
            turn, attempt, reasons = self._attempt(history, plan, scene)
            attempts.append(attempt)
            if turn is not None and (not reasons or not self._lock):
                return self._said(self._with_new_facts(turn), attempts)
            if attempt["rules"] == ["format.context"]:
                break
            history = [*asked, *rejected(attempt["message"], reasons)]
        attempts.append({"source": "template", "rules": []})
        return self._said(plan, attempts)

    def _attempt(
        self, history: list[dict[str, str]], plan: UserTurn, scene: Scene
    ) -> tuple[UserTurn | None, dict[str, Any], list[str]]:
        """Ask once: the turn if one came, its record, and why it may not be said."""
        try:
            answer = structured(
                self._client,
                history,
                PhrasedTurn,
                role="user",
                repairs=0,
                max_tokens=_MAX_TOKENS,
            )
        except NotStructured as error:
            text = error.completions[-1].content if error.completions else ""
            why = f"Not the JSON object asked for: {error.errors[-1] if error.errors else error}"
            return None, _record(text, ["format.json"], _usage(error.completions)), [why[:400]]
        except ContextOverflow:
            return None, _record("", ["format.context"], None), ["Too long."]
        except ModelEndpointError as error:
            if not _UNREADABLE.search(str(error)):
                raise
            return None, _record("", ["format.json"], None), ["Not the JSON object asked for."]
        turn = _turn(answer, plan)
        if not _ends_with_the_object(answer.completions[-1].content):
            why = "Nothing may follow the JSON object."
            return None, _record(turn.message, ["format.json"], _usage(answer.completions)), [why]
        found = judge(turn, scene)
        record = _record(turn.message, [v.rule for v in found], _usage(answer.completions))
        return turn, record, [v.why for v in found]

    def _with_new_facts(self, turn: UserTurn) -> UserTurn:
        """Freeze what the model made up about the person."""
        facts = self._planner.book.facts
        ids = []
        for value in turn.new_facts[:3]:
            fact_id = f"persona.{len(facts)}"
            facts[fact_id] = FactState(
                fact_id, value[:200], "persona", len(self._planner.book.turns)
            )
            ids.append(fact_id)
        plan = self._planner.book.turns[-1]
        return turn.model_copy(update={"new_facts": [*plan.new_facts, *ids]})

    def _said(self, turn: UserTurn, attempts: list[dict[str, Any]]) -> UserTurn:
        """Record in the ledger what really is said."""
        turn = turn.model_copy(update={"attempts": attempts})
        self._planner.book.turns[-1] = turn
        return turn


def _ends_with_the_object(text: str) -> bool:
    """Whether nothing follows the object: another one, or a remark of whoever wrote it."""
    _, end = json.JSONDecoder().raw_decode(text, max(text.find("{"), 0))
    return _NOTHING.fullmatch(text, end) is not None


def _turn(answer: Structured[PhrasedTurn], plan: UserTurn) -> UserTurn:
    phrased = answer.value
    return UserTurn(
        act=phrased.act,
        subgoal=phrased.subgoal or plan.subgoal,
        facts_used=plan.facts_used,
        new_facts=phrased.new_facts,
        observed=phrased.observed or plan.observed,
        rechecks=plan.rechecks,
        message=phrased.message.strip(),
        verdict=plan.verdict,
    )


def _record(message: str, rules: list[str], usage: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "source": "model",
        "message": message[:2_000],
        "rules": rules,
        **({"usage": dict(usage)} if usage else {}),
    }


def _usage(completions: Any) -> Mapping[str, Any] | None:
    return completions[-1].usage if completions else None
