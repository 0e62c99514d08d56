"""Splitting a plain utterance into steps with a model, once an utterance.

The model's split is used only if code finds the text in it: nothing invented, no detail lost.
Otherwise, and for texts too long to send, the rules of `split` apply.
"""

from __future__ import annotations

import hashlib
import threading
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from ise_env.errors import ContextOverflow
from ise_env.llm.client import ModelClient
from ise_env.llm.structured import NotStructured, structured
from ise_env.tasks.kit import SubGoal
from ise_env.users.lock.scene import content_words
from ise_env.users.split import MAX_STEPS, Split, details, split, step

_LONGEST = 6_000
_INVENTED = 0.25
_LOST = 0.35
_cache: dict[str, Split] = {}
_cache_lock = threading.Lock()


class Step(BaseModel):
    """One step as the model puts it."""

    model_config = ConfigDict(extra="forbid")

    request: str = Field(min_length=2)
    label: str = Field(min_length=2, max_length=80)


class Steps(BaseModel):
    """What the model answers with."""

    model_config = ConfigDict(extra="forbid")

    context: list[str] = Field(default_factory=list, max_length=MAX_STEPS)
    steps: list[Step] = Field(min_length=1, max_length=MAX_STEPS)


def split_with(client: ModelClient, utterance: str) -> Split:
    """Take an utterance apart with a model; the same utterance is asked about once.

    Args:
        client: The user's own.
        utterance: Any text; it is never obeyed, only cut.

    Raises:
        ModelEndpointError: The endpoint failed; what it answers never raises.
    """
    by_rules = split(utterance)
    if len(utterance) > _LONGEST:
        return by_rules
    template = resources.files("ise_env.users").joinpath("prompts/split.v1.md").read_text("utf-8")
    prompt = template.format(utterance=utterance)
    key = hashlib.sha256(f"{client.endpoint.model}\0{prompt}".encode()).hexdigest()
    with _cache_lock:
        known = _cache.get(key)
    if known is None:
        known = _asked(client, prompt, utterance) or by_rules
        with _cache_lock:
            _cache[key] = known
    return known


def _asked(client: ModelClient, prompt: str, utterance: str) -> Split | None:
    try:
        answer = structured(
            client, [{"role": "user", "content": prompt}], Steps, role="user", max_tokens=2_000
        )
    except (NotStructured, ContextOverflow):
        return None
    if not is_faithful(answer.value, utterance):
        return None
    goals = [_subgoal(i, s) for i, s in enumerate(answer.value.steps, 1)]
    return Split(tuple(answer.value.context), tuple(goals))


def is_faithful(steps: Steps, utterance: str) -> bool:
    """Whether a split says what the text says: nothing invented, no detail lost, no step twice."""
    requests = [step.request for step in steps.steps]
    told = " ".join([*requests, *steps.context])
    ours, theirs = content_words(utterance), content_words(told)
    if len(theirs - ours) > _INVENTED * len(theirs) or len(ours - theirs) > _LOST * len(ours):
        return False
    kept = all(value in told for value in details(utterance))
    return kept and len(set(requests)) == len(requests)


def _subgoal(number: int, found: Step) -> SubGoal:
    return step(number, found.request.strip().rstrip(".!?。！？"), found.label.strip())
