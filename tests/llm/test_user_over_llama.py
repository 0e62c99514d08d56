"""The user that a model phrases over llama.cpp with a tiny random model: a worst case.

Every turn is either legal or falls back; nothing crashes, nothing is blamed on the agent.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ise_env.intents.model import Intent
from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users import make_user
from ise_env.users.protocol import Digest, UserTurn
from ise_env.workspaces.protocol import FileChange

pytestmark = [pytest.mark.llm, pytest.mark.full]

STEPS = [
    SubGoal(
        f"t{n}.sum",
        f"add up column {n} of in{n}.csv and write the sum to out{n}.md",
        f"the sum of column {n}",
        (Fact(f"t{n}.in", f"in{n}.csv"), Fact(f"t{n}.out", f"out{n}.md")),
        (f"out{n}.md",),
    )
    for n in (1, 2)
]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for module in ("xllamacpp", "gguf"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    program = Path(__file__).with_name("llama_server.py")
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path_factory.mktemp("model")), "12288"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "the server did not start"
        yield url
    finally:
        process.stdin.close()
        process.wait(timeout=30)


def test_a_random_model_never_breaks_a_dialogue(llama: str) -> None:
    intent = Intent(id="i", utterance=" ".join(f"Please {goal.request}." for goal in STEPS))
    spec = f"llm:tiny@{llama}#temperature=1,seed=3,attempts=2"
    user = make_user(spec, intent=intent, subgoals=STEPS, rng=np.random.default_rng(0))
    turns: list[UserTurn] = [user.open()]
    while not turns[-1].ends:
        number = (turns[-1].subgoal or "t1")[1]
        change = FileChange(f"out{number}.md", "added", "file", 3, None)
        turns.append(user.reply(Digest("The sum is written.", (change,), tool_calls=1)))
    assert turns[-1].act == "close"
    for turn in turns:
        last = turn.attempts[-1]
        assert last["source"] == "template" or last["rules"] == []
    requests = [turn for turn in turns if turn.act == "request"]
    assert all(goal.request in t.message for goal, t in zip(STEPS, requests, strict=True))
