"""The prompt of a model that phrases a user's turn; its texts are versioned files.

The dialogue is given as text with neutral labels, You and Assistant, the user's own opening
included: flipped chat roles invite the model to be the assistant. Bounded: under 4,000 tokens
however long the dialogue.
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources

from ise_env.intents.model import Intent, Persona
from ise_env.users.digest import render, shorten
from ise_env.users.ledger import Ledger, asked_as
from ise_env.users.phrasing import Voice
from ise_env.users.protocol import Digest, UserTurn

FILES = ("role.v1.md", "turn.v1.md", "acts.v1.toml", "split.v1.md")
_TRANSCRIPT = 5_000
_RECENT, _OLDER = 1_600, 240
_REQUEST = 1_600


@functools.cache
def texts() -> Mapping[str, str]:
    """The prompt files by name."""
    folder = resources.files("ise_env.users").joinpath("prompts")
    return {name: folder.joinpath(name).read_text("utf-8") for name in FILES}


@functools.cache
def prompt_sha256() -> str:
    """Hash of the prompt files, in order: which prompt a record was made with."""
    return hashlib.sha256("\0".join(texts()[name] for name in FILES).encode()).hexdigest()


def prompt(
    plan: UserTurn,
    case: str,
    ledger: Ledger,
    digest: Digest,
    intent: Intent,
    voice: Voice,
    context: Sequence[str] = (),
) -> list[dict[str, str]]:
    """The messages that ask for the wording of a planned turn.

    Args:
        plan: What the ledger decided; already the last of `ledger.turns`.
        case: Which kind of wording it would have used (`ask.next`, `challenge.missing`, ...).
        ledger: With every turn and everything heard so far.
        digest: What the user observed just now.
        intent: Who the person is.
        voice: How the person writes.
        context: Sentences of the utterance that ask for nothing.
    """
    role = texts()["role.v1.md"].format(
        persona=_persona(intent.persona), style=_style(intent.persona, voice)
    )
    turn = texts()["turn.v1.md"].format(
        transcript=_transcript(ledger),
        observations=render(digest) if ledger.heard else "(nothing yet)",
        act=plan.act,
        subgoal=plan.subgoal,
        instruction=_instruction(plan, case, ledger, context),
    )
    return [{"role": "system", "content": role}, {"role": "user", "content": turn}]


def rejected(text: str, reasons: Sequence[str]) -> list[dict[str, str]]:
    """What is appended when an answer broke rules: the answer, and the rules by name."""
    told = "\n".join(f"- {reason}" for reason in reasons)
    return [
        {"role": "assistant", "content": text[:1_000] or "(nothing)"},
        {"role": "user", "content": f"That cannot be sent:\n{told}\nWrite the JSON object again."},
    ]


def _persona(persona: Persona | None) -> str:
    if persona is None:
        return "Somebody who uses this computer every day."
    skills = f" Knows about {', '.join(persona.expertise[:4])}." if persona.expertise else ""
    context = f" Works in this setting: {persona.work_context}." if persona.work_context else ""
    level = f" ({persona.experience_level})" if persona.experience_level else ""
    return f"{persona.name}, {persona.role}{level}, {persona.industry}.{skills}{context}"[:900]


def _style(persona: Persona | None, voice: Voice) -> str:
    style = persona.communication_style if persona else ""
    return f"{style or voice.name}. Usually {voice.words[0]} to {voice.words[1]} words a message."


def _transcript(ledger: Ledger) -> str:
    """Every turn so far, the last exchanges nearly whole, the older ones shortened."""
    said = [turn.message for turn in ledger.turns[:-1]]
    lines: list[str] = []
    for number, message in enumerate(said):
        whole = number >= len(said) - 2
        lines.append(f"You: {shorten(message, _RECENT if whole else _OLDER)}")
        if number < len(ledger.heard):
            heard = ledger.heard[number] or "(an empty message)"
            last = number == len(ledger.heard) - 1
            lines.append(f"Assistant: {shorten(heard, _RECENT if last else _OLDER)}")
    if not lines:
        return "(nothing yet: you write first)"
    while sum(map(len, lines)) > _TRANSCRIPT and len(lines) > 4:
        del lines[2:4]  # the opening stays: it is what the rest refers to
    return "\n".join(lines)


def _instruction(plan: UserTurn, case: str, ledger: Ledger, context: Sequence[str]) -> str:
    acts = tomllib.loads(texts()["acts.v1.toml"])
    whole = ledger.goals[plan.subgoal or next(iter(ledger.goals))].goal
    goal = asked_as(whole, plan.act)
    path = next((p for p in goal.artifacts if p in ledger.seen), "")
    values = ", ".join(f"`{fact.value}`" for fact in goal.facts[:12]) or "none"
    own = " ".join(context)[:400]
    return str(acts[instruction_key(case)]).format(
        request=shorten(goal.request, _REQUEST),
        label=goal.label,
        values=values,
        answer=goal.answer,
        path=next(iter(plan.observed), path or "it"),
        where=f" and to look into {path}" if path else "",
        finding="; ".join(plan.observed) or "it is not there",
        context=f" For context you may say: {own}" if own else "",
    )


def instruction_key(case: str) -> str:
    """From the key of a wording to the key of an instruction."""
    table, _, entry = case.partition(".")
    kinds = {
        "open": "open",
        "ask": "request",
        "waive": "request_waived",
        "answer": f"answer_{entry}",
        "checkin": "status_checkin",
        "verify": "status_verify",
        "insist": "answer_free",
    }
    if table in ("error", "silent", "promised", "partial", "vague", "declined", "tell"):
        return f"status_{table}"
    return kinds.get(table, table)
