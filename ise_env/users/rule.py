"""RuleUser: a user without a model.

A state machine over the ledger and what can be observed; what it decides, a `Speaker` says in the
voice of the persona. One sub-goal a turn; a request holds `SubGoal.request` verbatim, every other
turn about a sub-goal holds its label or the path of an artifact. It never sees a check.
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
from ise_env.users.digest import GONE, shorten
from ise_env.users.expecting import Fault, is_told, wanted
from ise_env.users.language import language_of
from ise_env.users.ledger import GoalState, Ledger, answer_of
from ise_env.users.phrasing import capital, goal_slots, voice_for
from ise_env.users.protocol import Act, Digest, UserProvenance, UserTurn, UserVerdict
from ise_env.users.speaking import Speaker
from ise_env.users.split import Split, split
from ise_env.users.temperament import Attentiveness
from ise_env.workspaces.protocol import FileChange

VERSION = "1"
MAX_TURNS = 18
"""A person does not go on for ever: after that many turns of their own they leave."""
_LONG = 8
"""A dialogue that would grow longer than that is not made so by one more question."""
_AUDITED = 0.7
"""Share of the results that somebody who audits asks about."""
_SPOTTED = 0.5
"""Share of the results that somebody who spot-checks goes through to the end."""
_MAX_COMPLAINTS = 2
_MAX_ANSWERS = 2
_UNFINISHED = frozenset({"partial", "reported_error", "declined"})
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
        self.voice = voice_for(intent.persona, spoken(intent), rng)
        self._speaker = Speaker(self.book, self.voice, rng, intent.persona)
        self._habits = temperament.draw(rng, self.voice, len(self.book.goals))
        self._rng = rng
        self._grounded = grounded
        self._patience = self._habits.patience
        self._curiosity = self._habits.curiosity
        self.provenance = UserProvenance(name=name, version=VERSION, scripted=True)

    # -- the contract ------------------------------------------------------------------------

    def open(self) -> UserTurn:
        """Say the first words: the first step, with more or less of a preamble."""
        return self._speaker.opening(self._habits.opening, self.context)

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """Look where the result should be, as closely as this person looks."""
        state = self.book.focus
        if state is None or not self._grounded:
            return ()
        habit = self.attentiveness
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
        self.book.heard.append(shorten(digest.agent_text))
        self._speaker.digest = digest
        state = self.book.focus
        self._take_in(digest, state, move)
        if state is not None and not move.waits:
            want = wanted(state.goal.request)
            state.told |= want is None or is_told(digest.agent_text, want)
        if state is None or GONE in digest.claims or len(self.book.turns) >= MAX_TURNS - 1:
            return self._give_up(state, machine=GONE in digest.claims)
        return self._respond(state, move, digest)

    def _take_in(self, digest: Digest, state: GoalState | None, move: AgentMove) -> None:
        """Note what is there now, and what of it belongs to what was asked for."""
        for change in digest.changes:
            if change.change == "deleted":
                self.book.seen.pop(change.path, None)
                self.book.came.discard(change.path)
                if state is not None:
                    state.removed = True
                continue
            if change.change == "added" and change.path not in self.book.seen:
                self.book.came.add(change.path)
            self.book.seen[change.path] = change.size
        if state is None:
            return
        places = state.goal.artifacts
        touched = bool(digest.more_changes) or any(
            change.path == place or change.path.startswith(f"{place.rstrip('/')}/")
            for change in digest.changes
            for place in places
        )
        state.touched |= touched
        unseen = not places and digest.tool_calls > 0
        if move.kind in _UNFINISHED and not touched:
            state.trouble = True
        elif move.kind == "claimed_done" or touched or unseen:
            state.trouble = False
        if looking.gives_a_reason(digest.agent_text):
            state.accepted |= state.pointed_out

    def sees(self, digest: Digest) -> Digest:
        """What of the observations reaches this user."""
        return digest if self._grounded else Digest(digest.agent_text)

    def ledger(self) -> dict[str, Any]:
        """Believed state of every sub-goal, revealed facts, how closely this person looks."""
        return {**self.book.dump(), "attentiveness": self.attentiveness}

    @property
    def attentiveness(self) -> Attentiveness:
        """How closely this person looks at results."""
        return self._habits.attentiveness

    @property
    def case(self) -> str:
        """Which kind of wording the last turn used (`ask.next`, `challenge.missing`, ...)."""
        return self._speaker.case

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
        wrong = looking.contradiction(
            state, digest, self.book, looked_at, whole=self._goes_through_it()
        )
        if wrong and move.kind in ("claimed_done", "said", "partial"):
            return self._complain(state, wrong)
        if move.kind in ("silent", "promised", "partial", "reported_error", "declined"):
            return self._press(state, move.kind)
        if move.waits:
            return self._press(state, "insist")
        if looking.is_vague(move, digest) or state.trouble:
            return self._press(state, "vague")
        requested = self.book.turns[-1].act == "request"
        if requested and self._grounded and looking.out_of_thin_air(state, digest):
            return self._press(state, "vague")
        if not state.told:
            return self._press(state, "tell")
        return self._settle(state, digest)

    def _goes_through_it(self) -> bool:
        """Whether this person reads the result to the end and goes through what changed."""
        if not self._grounded or self.attentiveness == "trusting":
            return False
        return self.attentiveness == "audits" or self._rng.random() < _SPOTTED

    def _answer(self, state: GoalState, move: AgentMove) -> UserTurn:
        goal = state.goal
        state.answers += 1
        self._curiosity -= 1
        if goal.answer and not state.answered and looking.same_matter(move.question, goal.question):
            state.answered = True
            told = (answer_of(goal),)
            answer = f"{capital(goal.answer.rstrip('.'))}."
            if _SORRY.match(answer):
                return self._speaker.say("answer", state, answer, told=told)
            return self._speaker.about("answer", state, "answer.known", answer=answer, told=told)
        if move.kind == "asked_to_confirm":
            return self._speaker.about("confirm", state, "confirm.goal")
        if goal.facts and state.answers == 1 and looking.asks_for_detail(move.question):
            facts = ", ".join(fact.value for fact in goal.facts[:6])
            return self._speaker.about(
                "answer", state, "answer.facts", facts=facts, told=goal.facts[:6]
            )
        if state.answers > _MAX_ANSWERS:
            self._patience -= 1
        return self._speaker.about("answer", state, "answer.free")

    def _change_mind(self, state: GoalState) -> UserTurn:
        """Take back what was asked at first; the kit declared what is wanted instead."""
        state.changed_mind = True
        return self._speaker.about("change_mind", state, "change_mind.goal", told=state.goal.facts)

    def _complain(self, state: GoalState, fault: Fault) -> UserTurn:
        """What is there is not what was asked for: say so, insist once, then let it be."""
        if state.complaints >= _MAX_COMPLAINTS or not self._bears():
            return self._let_go(state)
        state.complaints += 1
        known = fault.claim in state.pointed_out
        state.pointed_out.add(fault.claim)
        self._curiosity -= 1
        state.believed = "attempted"
        claim = (fault.claim,)
        again = state.complaints > 1 and fault.case in _PLACES
        slots = {**goal_slots(state.goal), **fault.slots}
        case = "challenge.persists" if known and not again else fault.case
        if again or not self._speaker.phrases.has(case, **slots):
            return self._speaker.about("correct", state, "correct.goal", observed=claim)
        words = self._speaker.phrases.say(case, **slots)
        return self._speaker.say("challenge", state, words, observed=claim)

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
        if not self._speaker.phrases.has(f"{key}.goal", **slots):
            key = "vague"
        return self._speaker.say(act, state, self._speaker.phrases.say(f"{key}.goal", **slots))

    def _let_go(self, state: GoalState) -> UserTurn:
        """Give a sub-goal up: go on without it, or leave altogether."""
        state.believed = "failed"
        following = self.book.next_pending
        failed = len(self.book.with_state("failed"))
        if self._patience <= 0 or following is None or failed * 2 > len(self.book.goals):
            return self._give_up(state)
        return self._speaker.instead(state, following)

    def _settle(self, state: GoalState, digest: Digest) -> UserTurn:
        """Nothing speaks against it: believe it, look closer, or go on."""
        state.believed = "done"
        closer = self._look_closer(state, digest)
        if closer is not None:
            return closer
        following = self.book.next_pending
        if following is not None:
            return self._speaker.next_request(following, self._speaker.acknowledgement(state))
        checks = sum(s.verified for s in self.book.goals.values())
        if not self._checking or (checks < self._habits.checks and self._another_check()):
            return self._verify(state)
        if self.book.may_close():
            return self._give_up(state)
        if self.book.with_state("failed"):
            return self._give_up(self.book.with_state("failed")[0])
        return self._close(state)

    def _another_check(self) -> bool:
        """Whether there is another result that can be seen and was not asked about."""
        return len(self.book.turns) + 2 <= _LONG and any(
            not (s.verified or s.lookups) and any(p in self.book.seen for p in s.goal.artifacts)
            for s in self.book.with_state("done")
        )

    def _bears(self, *, free: bool = False) -> bool:
        if not free:
            self._patience -= 1
        return self._patience > 0

    def _look_closer(self, state: GoalState, digest: Digest) -> UserTurn | None:
        """Ask about a result that can be seen, if this person is curious."""
        if state.lookups >= 1 or self._checking or not self._wonders():
            return None
        asked = looking.question_about(state, digest, self.book)
        slots = goal_slots(state.goal)
        if asked is None or not self._speaker.phrases.fresh(asked.case, **slots, **asked.slots):
            return None
        state.lookups += 1
        self._curiosity -= 1
        turn = self._speaker.about(
            "status", state, asked.case, observed=asked.observed, told=(), **asked.slots
        )
        turn.rechecks = True
        return turn

    def _wonders(self) -> bool:
        """Whether this person would ask about a result now."""
        left = len(self.book.with_state("pending")) + 1
        if self.attentiveness == "audits" and len(self.book.turns) + left + 2 <= _LONG:
            return self._rng.random() < _AUDITED
        return self._curiosity > 0 and self._rng.random() <= self._curiosity / left

    def _verify(self, last: GoalState) -> UserTurn:
        """Ask for a check of the result that can best be looked at."""
        self.book.verification_at = self.book.verification_at or len(self.book.turns) + 1
        done = [s for s in self.book.with_state("done") if not s.verified] or [last]
        visible = [s for s in done if any(p in self.book.seen for p in s.goal.artifacts)]
        doubtful = [s for s in done if s.goal.artifacts and not s.touched and self._grounded]
        unasked = [s for s in visible if not s.lookups] if self.attentiveness == "audits" else []
        state = (doubtful or unasked or visible or done)[-1]
        state.verified = True
        paths = [p for p in state.goal.artifacts if p in self.book.seen]
        if paths and posixpath.basename(paths[0].rstrip("/")) not in state.goal.label:
            turn = self._speaker.about("status", state, "verify.path", path=paths[0])
        else:
            turn = self._speaker.about("status", state, "verify.goal")
        turn.rechecks = True
        return turn

    def _close(self, state: GoalState) -> UserTurn:
        done = len(self.book.with_state("done"))
        verdict = UserVerdict(satisfied=True, reason=f"all {done} steps look done")
        words = self._speaker.phrases.say("close.done")
        return self._speaker.say("close", state, words, verdict=verdict)

    def _give_up(self, state: GoalState | None, *, machine: bool = False) -> UserTurn:
        state = state or next(iter(self.book.goals.values()))
        missing = [s for s in self.book.goals.values() if s.believed != "done"]
        named = "; ".join(_complaint(s) for s in missing) or "nothing"
        reason = "the machine is gone" if machine else f"not done: {named}"
        key = "give_up.machine" if machine else "give_up.goal"
        verdict = UserVerdict(satisfied=False, reason=reason[:500])
        words = self._speaker.phrases.say(key, **goal_slots(state.goal))
        return self._speaker.say("give_up", state, words, verdict=verdict)


def _complaint(state: GoalState) -> str:
    """What was wrong with a step, as far as this person could see."""
    seen = ", ".join(sorted(state.pointed_out))
    return f"{state.goal.label} ({seen})" if seen else state.goal.label


_SORRY = re.compile(r"(sorry|oh|ah|my mistake|oops)\b", re.I)
"""An answer that begins so stands on its own: nobody is happy to be asked, and sorry."""


def spoken(intent: Intent) -> str:
    """The language of an intent's utterance; what the record says where that is uncertain."""
    return language_of(intent.utterance[:2_000]) or intent.language
