"""RuleUser: a user without a model.

A state machine over the ledger and what can be observed, phrased by the voice of the persona.
One sub-goal a turn; a request holds `SubGoal.request` verbatim, every other turn about a
sub-goal holds its label or the path of an artifact. It never sees a check.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ise_env.intents.model import Intent
from ise_env.tasks.kit import SubGoal
from ise_env.users import looking, temperament
from ise_env.users.agent_move import AgentMove, classify
from ise_env.users.digest import GONE
from ise_env.users.expecting import Fault, is_told, wanted
from ise_env.users.language import language_of
from ise_env.users.ledger import GoalState, Ledger, answer_of, asked_as
from ise_env.users.phrasing import (
    Phrasebook,
    capital,
    goal_slots,
    introduction,
    voice_for,
)
from ise_env.users.protocol import Act, Digest, UserProvenance, UserTurn, UserVerdict
from ise_env.users.split import NAMELESS, Split, split
from ise_env.workspaces.protocol import FileChange

VERSION = "1"
MAX_TURNS = 18
"""A person does not go on for ever: after that many turns of their own they leave."""
_MAX_COMPLAINTS = 2
_MAX_ANSWERS = 2
_PLACES = frozenset(f"challenge.{case}" for case in looking.CASES.values())
"""Wordings about a place where nothing (new) is; said twice they would be the same words."""


class RuleUser:
    """One episode's user, scripted.

    Args:
        intent: Who asks, and the whole utterance (never said at once).
        subgoals: The steps; empty for an intent without kits, whose utterance is then split.
        rng: All of the user's randomness.
        pieces: The utterance taken apart, where that was done already.
        grounded: False sees the agent's text only (the ablation without grounding).
        name: For the provenance.

    Attributes:
        book: The ledger.
        voice: How this person writes.
        context: Sentences of the utterance that ask for nothing.
    """

    def __init__(
        self,
        intent: Intent,
        subgoals: Sequence[SubGoal],
        rng: np.random.Generator,
        *,
        pieces: Split | None = None,
        grounded: bool = True,
        name: str = "rule",
    ) -> None:
        pieces = None if subgoals else pieces or split(intent.utterance)
        self.context = pieces.context if pieces else ()
        self.book = Ledger(tuple(subgoals) if pieces is None else pieces.subgoals)
        self._persona = intent.persona
        self.voice = voice_for(intent.persona, spoken(intent), rng)
        self._phrases = Phrasebook(self.voice, rng)
        self._habits = temperament.draw(rng, self.voice, len(self.book.goals))
        self._rng = rng
        self._grounded = grounded
        self._digest = Digest("")
        self._pointed_out_at = -2
        """How many turns there were when a path was acknowledged last."""
        self._patience = self._habits.patience
        self._curiosity = self._habits.curiosity
        self.provenance = UserProvenance(name=name, version=VERSION, scripted=True)

    # -- the contract ------------------------------------------------------------------------

    def open(self) -> UserTurn:
        """Say the first words: the first step, with more or less of a preamble."""
        state = next(iter(self.book.goals.values()))
        slots = {**introduction(self._persona), **goal_slots(asked_as(state.goal, "request"))}
        kind: str = self._habits.opening
        goals = list(self.book.goals.values())
        named = goals[-1].goal.label != NAMELESS
        if kind == "goal" and named and not self.context:
            if _of_one_task(goals[0].goal, goals[-1].goal):
                slots["label_last"] = goals[-1].goal.label
            elif self._phrases.has("open.context", **slots):
                kind = "context"
        if self.context and kind != "straight":
            kind, slots["own"] = "own", _bounded(self.context)
        if not self._phrases.has(f"open.{kind}", **slots):
            kind = "straight"
        return self._request(state, self._phrases.say(f"open.{kind}", **slots))

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """Look where the result should be, as closely as this person looks."""
        state = self.book.focus
        if state is None or not self._grounded:
            return ()
        habit = self._habits.attentiveness
        if classify(agent_text).kind in ("asked", "asked_to_confirm", "silent"):
            return ()
        expected = list(state.goal.artifacts)
        new = [c.path for c in changes if c.change != "deleted" and c.path not in expected]
        if habit == "audits":
            return tuple((expected + new)[:2])
        if habit == "spot-checks" or self._checking:
            return tuple((expected or new)[:1])
        return ()

    def reply(self, digest: Digest) -> UserTurn:
        """Answer the agent's message, given what can be observed."""
        digest = self.sees(digest)
        move = classify(digest.agent_text)
        self.book.moves.append(move)
        self.book.heard.append(digest.agent_text)
        self._digest = digest
        state = self.book.focus
        self._take_in(digest, state)
        if state is not None and not move.waits:
            want = wanted(state.goal.request)
            state.told |= want is None or is_told(digest.agent_text, want)
        if state is None or GONE in digest.claims or len(self.book.turns) >= MAX_TURNS - 1:
            return self._give_up(state, machine=GONE in digest.claims)
        return self._respond(state, move, digest)

    def _take_in(self, digest: Digest, state: GoalState | None) -> None:
        """Note what is there now, and what of it belongs to what was asked for."""
        for change in digest.changes:
            if change.change == "deleted":
                self.book.seen.pop(change.path, None)
                self.book.came.discard(change.path)
                continue
            if change.change == "added" and change.path not in self.book.seen:
                self.book.came.add(change.path)
            self.book.seen[change.path] = change.size
        if state is None:
            return
        places = state.goal.artifacts
        state.touched |= bool(digest.more_changes) or any(
            change.path == place or change.path.startswith(f"{place.rstrip('/')}/")
            for change in digest.changes
            for place in places
        )

    def sees(self, digest: Digest) -> Digest:
        """What of the observations reaches this user."""
        return digest if self._grounded else Digest(digest.agent_text)

    def ledger(self) -> dict[str, Any]:
        """Believed state of every sub-goal and revealed facts."""
        return self.book.dump()

    @property
    def case(self) -> str:
        """Which kind of wording the last turn used (`ask.next`, `challenge.missing`, ...)."""
        return self._phrases.last

    @property
    def _checking(self) -> bool:
        """Whether the check of the whole result was asked for."""
        return self.book.verification_at is not None

    # -- deciding ----------------------------------------------------------------------------

    def _respond(self, state: GoalState, move: AgentMove, digest: Digest) -> UserTurn:
        """React to the agent first; go on with the own list only when nothing is open."""
        if state.goal.at_first and not state.changed_mind:
            return self._change_mind(state)
        if move.kind in ("asked", "asked_to_confirm") and state.answers <= _MAX_ANSWERS:
            return self._answer(state, move)
        looked_at = self.wants_to_open(digest.agent_text, digest.changes)
        wrong = looking.contradiction(state, digest, self.book, looked_at)
        if wrong and move.kind in ("claimed_done", "said", "partial"):
            return self._complain(state, wrong)
        if move.kind in ("silent", "promised", "partial", "reported_error", "declined"):
            return self._press(state, move.kind)
        if move.waits:
            return self._press(state, "insist")
        if looking.is_vague(move, digest):
            return self._press(state, "vague")
        if not state.told:
            return self._press(state, "tell")
        return self._settle(state, digest)

    def _answer(self, state: GoalState, move: AgentMove) -> UserTurn:
        goal = state.goal
        state.answers += 1
        self._curiosity -= 1
        if goal.answer and not state.answered and looking.same_matter(move.question, goal.question):
            state.answered = True
            used, new = self.book.reveal([answer_of(goal)])
            answer = f"{capital(goal.answer.rstrip('.'))}."
            if _SORRY.match(answer):
                return self._say("answer", state, answer, used=used, new=new)
            return self._about_goal(
                "answer", state, "answer.known", answer=answer, used=used, new=new
            )
        if move.kind == "asked_to_confirm":
            return self._about_goal("confirm", state, "confirm.goal")
        if goal.facts and state.answers == 1 and looking.asks_for_detail(move.question):
            facts = ", ".join(fact.value for fact in goal.facts[:6])
            used, new = self.book.reveal(goal.facts[:6])
            return self._about_goal(
                "answer", state, "answer.facts", facts=facts, used=used, new=new
            )
        if state.answers > _MAX_ANSWERS:
            self._patience -= 1
        return self._about_goal("answer", state, "answer.free")

    def _change_mind(self, state: GoalState) -> UserTurn:
        """Take back what was asked at first; the kit declared what is wanted instead."""
        state.changed_mind = True
        used, new = self.book.reveal(state.goal.facts)
        return self._about_goal("change_mind", state, "change_mind.goal", used=used, new=new)

    def _complain(self, state: GoalState, fault: Fault) -> UserTurn:
        """What is there is not what was asked for: say so, insist once, then let it be."""
        if state.complaints >= _MAX_COMPLAINTS or not self._bears():
            return self._let_go(state)
        state.complaints += 1
        state.pointed_out.add(fault.claim)
        self._curiosity -= 1
        state.believed = "attempted"
        claim = (fault.claim,)
        again = state.complaints > 1 and fault.case in _PLACES
        slots = {**goal_slots(state.goal), **fault.slots}
        if again or not self._phrases.has(fault.case, **slots):
            return self._about_goal("correct", state, "correct.goal", observed=claim)
        return self._say("challenge", state, self._phrases.say(fault.case, **slots), observed=claim)

    def _press(self, state: GoalState, kind: str) -> UserTurn:
        """The agent stopped half-way: push, as long as patience lasts."""
        if kind != "promised" or state.complaints:
            state.complaints += 1
        if state.complaints > _MAX_COMPLAINTS or not self._bears(free=state.complaints <= 1):
            return self._let_go(state)
        state.complaints += kind == "promised"
        key = {"reported_error": "error"}.get(kind, kind)
        state.believed = "attempted"
        act: Act = "answer" if kind == "insist" else "status"
        want = wanted(state.goal.request)
        slots = goal_slots(state.goal) | ({"wanted": want.what} if want is not None else {})
        if not self._phrases.has(f"{key}.goal", **slots):
            key = "vague"
        return self._say(act, state, self._phrases.say(f"{key}.goal", **slots))

    def _let_go(self, state: GoalState) -> UserTurn:
        """Give a sub-goal up: go on without it, or leave altogether."""
        state.believed = "failed"
        following = self.book.next_pending
        failed = len(self.book.with_state("failed"))
        if self._patience <= 0 or following is None or failed * 2 > len(self.book.goals):
            return self._give_up(state)
        remark = self._phrases.say("waive.goal", **goal_slots(state.goal))
        turn = self._next_request(following, remark)
        self._phrases.last = "waive.goal"
        return turn

    def _settle(self, state: GoalState, digest: Digest) -> UserTurn:
        """Nothing speaks against it: believe it, look closer, or go on."""
        state.believed = "done"
        closer = self._look_closer(state, digest)
        if closer is not None:
            return closer
        following = self.book.next_pending
        if following is not None:
            return self._next_request(following, self._acknowledge(state))
        if not self._checking:
            return self._verify(state)
        if self.book.may_close():
            return self._give_up(state)
        if self.book.with_state("failed"):
            return self._give_up(self.book.with_state("failed")[0])
        return self._close(state)

    def _bears(self, *, free: bool = False) -> bool:
        if not free:
            self._patience -= 1
        return self._patience > 0

    # -- speaking ----------------------------------------------------------------------------

    def _acknowledge(self, state: GoalState) -> str:
        """A word on what was just done, at times; only what was seen is acknowledged, once."""
        if self._rng.random() < 0.45:
            return ""
        new = [
            place
            for place in state.goal.artifacts
            if place in self.book.seen and place not in self.book.acknowledged
        ]
        told = state.lookups > 0 or state.answers > 0 or wanted(state.goal.request) is not None
        if new and not told and len(self.book.turns) > self._pointed_out_at + 1:
            self._pointed_out_at = len(self.book.turns)
            self.book.acknowledged.add(new[0])
            key = "ack.seen" if new[0] in self.book.came else "ack.changed"
            if self._phrases.has(key, path=new[0]):
                return self._phrases.say(key, path=new[0])
        return self._phrases.say("ack.plain")

    def _look_closer(self, state: GoalState, digest: Digest) -> UserTurn | None:
        """Ask about a result that can be seen, if this person is curious."""
        if self._curiosity <= 0 or state.lookups >= 1 or self._checking:
            return None
        left = sum(s.believed == "pending" for s in self.book.goals.values()) + 1
        if self._rng.random() > self._curiosity / left:
            return None
        looked = looking.question_about(state, digest, self.book)
        if looked is None or not self._phrases.fresh(
            looked.case, **goal_slots(state.goal), **looked.slots
        ):
            return None
        state.lookups += 1
        self._curiosity -= 1
        return self._about_goal(
            "status", state, looked.case, observed=looked.observed, **looked.slots
        )

    def _request(self, state: GoalState, message: str) -> UserTurn:
        state.believed = "asked"
        state.asked_at = len(self.book.turns) + 1
        used, new = self.book.reveal(asked_as(state.goal, "request").facts)
        return self._say("request", state, message, used=used, new=new)

    def _next_request(self, state: GoalState, remark: str) -> UserTurn:
        last = sum(s.believed == "pending" for s in self.book.goals.values()) == 1
        key = "ask.last" if last else "ask.next"
        words = self._phrases.say(key, **goal_slots(asked_as(state.goal, "request")))
        return self._request(state, f"{remark} {words}".strip())

    def _verify(self, last: GoalState) -> UserTurn:
        """Ask once for a check of the result that can best be looked at."""
        self.book.verification_at = len(self.book.turns) + 1
        done = self.book.with_state("done") or [last]
        visible = [s for s in done if any(p in self.book.seen for p in s.goal.artifacts)]
        doubtful = [s for s in done if s.goal.artifacts and not s.touched and self._grounded]
        state = (doubtful or visible or done)[-1]
        paths = [p for p in state.goal.artifacts if p in self.book.seen]
        if paths and posixpath.basename(paths[0].rstrip("/")) not in state.goal.label:
            return self._about_goal("status", state, "verify.path", path=paths[0])
        return self._about_goal("status", state, "verify.goal")

    def _close(self, state: GoalState) -> UserTurn:
        done = len(self.book.with_state("done"))
        verdict = UserVerdict(satisfied=True, reason=f"all {done} steps look done")
        return self._say("close", state, self._phrases.say("close.done"), verdict=verdict)

    def _give_up(self, state: GoalState | None, *, machine: bool = False) -> UserTurn:
        state = state or next(iter(self.book.goals.values()))
        missing = [s.goal.label for s in self.book.goals.values() if s.believed != "done"]
        reason = (
            "the machine is gone" if machine else f"not done: {'; '.join(missing) or 'nothing'}"
        )
        key = "give_up.machine" if machine else "give_up.goal"
        verdict = UserVerdict(satisfied=False, reason=reason[:500])
        words = self._phrases.say(key, **goal_slots(state.goal))
        return self._say("give_up", state, words, verdict=verdict)

    def _about_goal(
        self,
        act: Act,
        state: GoalState,
        key: str,
        *,
        observed: tuple[str, ...] = (),
        used: Sequence[str] = (),
        new: Sequence[str] = (),
        **slots: str,
    ) -> UserTurn:
        words = self._phrases.say(key, **{**goal_slots(state.goal), **slots})
        return self._say(act, state, words, observed=observed, used=used, new=new)

    def _say(
        self,
        act: Act,
        state: GoalState,
        message: str,
        *,
        observed: tuple[str, ...] = (),
        used: Sequence[str] = (),
        new: Sequence[str] = (),
        verdict: UserVerdict | None = None,
    ) -> UserTurn:
        turn = UserTurn(
            act=act,
            subgoal=state.goal.id,
            facts_used=list(used),
            new_facts=list(new),
            observed=list(dict.fromkeys([*observed, *self._pointed_at(message, observed)])),
            message=message,
            verdict=verdict,
        )
        return self.book.record(turn)

    def _pointed_at(self, message: str, claims: Sequence[str]) -> list[str]:
        """Paths in the user's own words that they have before their eyes, claims left out."""
        digest = self._digest
        before = {c.path for c in digest.changes if c.change != "deleted"}
        before |= {path for path, _ in digest.heads} | set(self.book.seen)
        claimed = {claim.partition(": ")[0] for claim in claims}
        named = [m.group().rstrip("/.,") for m in _PATH_LIKE.finditer(message)]
        return [p for p in named if p in before - claimed and ("/" in p or "." in p)]


_SORRY = re.compile(r"(sorry|oh|ah|my mistake|oops)\b", re.I)
"""An answer that begins so stands on its own: nobody is happy to be asked, and sorry."""
_PATH_LIKE = re.compile(r"[\w@+~-][\w.@+/-]*")


def _of_one_task(first: SubGoal, last: SubGoal) -> bool:
    """Whether one leads to the other: two steps of the same task, `t1.fetch` and `t1.sort`."""
    task, dot, _ = first.id.partition(".")
    return bool(dot) and first.id != last.id and last.id.startswith(f"{task}.")


def spoken(intent: Intent) -> str:
    """The language of an intent's utterance; what the record says where that is uncertain."""
    return language_of(intent.utterance[:2_000]) or intent.language


def _bounded(sentences: Sequence[str], limit: int = 320) -> str:
    """As many of the person's own sentences as fit."""
    kept = ""
    for sentence in sentences:
        if kept and len(kept) + len(sentence) > limit:
            break
        kept = f"{kept} {sentence}".strip()
    return kept if len(kept) <= limit else kept[: limit - 3].rsplit(" ", 1)[0] + "..."
