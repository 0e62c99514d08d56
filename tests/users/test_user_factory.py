"""Naming users, and the ablations."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from ise_env.errors import ConfigError, UserSimulatorError
from ise_env.intents.model import Intent
from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users import make_user
from ise_env.users.factory import parse
from ise_env.users.human import HumanUser
from ise_env.users.protocol import Digest, User
from ise_env.workspaces.protocol import FileChange

GOALS = [
    SubGoal("t1.a", "sort a.csv by name", "the sorting", (Fact("t1.f", "a.csv"),), ("a.csv",)),
    SubGoal("t1.b", "count the rows of a.csv", "the count", (Fact("t1.g", "a.csv"),)),
]
INTENT = Intent(id="i", utterance="I need a list. Sort a.csv by name, then count the rows.")


def make(spec: str) -> User:
    return make_user(spec, intent=INTENT, subgoals=GOALS, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("rule", ("rule", (), "")),
        ("rule+no-grounding", ("rule", ("no-grounding",), "")),
        ("llm+no-lock:m@http://h:1/v1", ("llm", ("no-lock",), "m@http://h:1/v1")),
        ("llm+no-grounding+no-lock:m", ("llm", ("no-lock", "no-grounding"), "m")),
        ("replay:runs/a", ("replay", (), "runs/a")),
    ],
)
def test_specifications_are_taken_apart(spec: str, parts: tuple[str, ...]) -> None:
    assert parse(spec) == parts


@pytest.mark.parametrize(
    "spec", ["", "robot", "rule:x", "rule+fast", "rule+no-lock", "llm", "replay:", "human+no-lock"]
)
def test_a_bad_specification_is_one_clear_line(spec: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(spec)
    assert "\n" not in str(caught.value)
    assert repr(spec) in str(caught.value)


def test_single_turn_says_everything_and_leaves() -> None:
    user = make("rule+single-turn")
    opening = user.open()
    assert all(goal.request in opening.message for goal in GOALS)
    assert INTENT.utterance in opening.message
    assert user.reply(Digest("Both are done.")).act == "close"
    assert user.provenance.name == "rule+single-turn"


def test_single_turn_is_not_content_when_what_is_claimed_is_not_there() -> None:
    user = make("rule+single-turn")
    user.open()
    turn = user.reply(Digest("Done.", claims=("a.csv: not there",)))
    assert turn.act == "give_up"


def test_without_grounding_only_the_text_counts() -> None:
    user, sighted = make("rule+no-grounding"), make("rule")
    gone = Digest("I sorted it.", claims=("a.csv: not there",), tool_calls=2)
    for someone in (user, sighted):
        someone.open()
    assert user.wants_to_open("I sorted it.", ()) == ()
    assert user.reply(gone).act != "challenge"
    assert sighted.reply(gone).act == "challenge"


def typed(*lines: str) -> HumanUser:
    text = "".join(f"{line}\n" for line in lines)
    return HumanUser(INTENT, GOALS, source=io.StringIO(text), screen=io.StringIO())


def test_a_person_at_the_terminal_plays_the_user() -> None:
    user = typed("please sort a.csv", "/open b.csv", "why?", "/next", "/close thanks")
    assert user.open().message == "please sort a.csv"
    seen = Digest("Done.", (FileChange("a.csv", "modified", "file", 3, None),))
    reply = user.reply(seen)
    assert (reply.act, reply.message) == ("status", "why?")
    assert user.wants_to_open("", ()) == ("b.csv",)
    assert user.reply(seen).message == "count the rows of a.csv."
    last = user.reply(seen)
    assert (last.act, last.message) == ("close", "thanks")
    assert last.verdict is not None
    assert last.verdict.satisfied


def test_a_terminal_that_ends_fails_the_user_not_the_agent() -> None:
    with pytest.raises(UserSimulatorError, match="end of input"):
        typed().open()


def test_replaying_something_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such run"):
        make(f"replay:{tmp_path / 'nothing'}")
