"""Setting the scene: from one episode's ledger and plan to what the detectors look at."""

from __future__ import annotations

from collections.abc import Sequence

from ise_env.intents.model import Intent
from ise_env.users.ledger import Ledger, answer_of, asked_as
from ise_env.users.lock.scene import Register, Scene
from ise_env.users.phrasing import Voice
from ise_env.users.protocol import Digest, UserTurn


def scene_for(
    plan: UserTurn,
    ledger: Ledger,
    digest: Digest,
    intent: Intent,
    *,
    voice: Voice,
    context: Sequence[str] = (),
) -> Scene:
    """The scene of the turn that is planned and already the last of `ledger.turns`.

    Args:
        plan: The turn as the ledger decided it: act, sub-goal, what it points at.
        ledger: With the plan as its last turn.
        digest: What the user observed just now.
        intent: Whose words must not be recited.
        voice: How the persona writes.
        context: Sentences of the utterance that ask for nothing.
    """
    whole = ledger.goals[plan.subgoal or next(iter(ledger.goals))].goal
    goal = asked_as(whole, plan.act)
    told = [s.goal for s in ledger.goals.values() if s.asked_at is not None]
    before = ledger.turns[-2].subgoal if len(ledger.turns) > 1 else None
    persona = intent.persona
    about = " ".join(
        [persona.name, persona.role, persona.industry, persona.work_context, *persona.expertise]
        if persona
        else []
    )
    return Scene(
        utterance=intent.utterance,
        digest=digest,
        move=ledger.move,
        act=plan.act,
        goal=goal,
        others=[s.goal for s in ledger.goals.values() if s.asked_at is None and s.goal != whole],
        asked=[g for g in told if g != whole],
        earlier=[turn.message for turn in ledger.turns[:-1]],
        heard=ledger.heard[:-1],
        seen=sorted(ledger.seen),
        observed=plan.observed,
        persona=about,
        context=" ".join(context),
        register=register_of(voice, intent),
        answer=goal.answer if answer_of(goal).id in plan.facts_used else "",
        content=plan.act in ("request", "close") and _is_done(ledger, before),
    )


def _is_done(ledger: Ledger, subgoal: str | None) -> bool:
    return subgoal is not None and ledger.goals[subgoal].believed == "done"


def register_of(voice: Voice, intent: Intent) -> Register:
    """How a persona writes, from its voice and its communication style."""
    style = intent.persona.communication_style.lower() if intent.persona else ""
    return Register(
        voice=voice.name,
        language=voice.language,
        most_words=max(voice.words[1], 40),
        lists=any(word in style for word in ("numbered", "method", "structured", "list")),
        emoji=voice.name in ("casual", "warm"),
    )
