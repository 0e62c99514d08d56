"""Users inside the real environment: recorded, replayed, audited, and ignorant of the checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ise_env.agents import make_agent
from ise_env.agents.protocol import AgentContext
from ise_env.env import IntentEnv
from ise_env.intents.model import Intent, Task
from ise_env.intents.sampler import sample
from ise_env.rewards.spec import Check
from ise_env.tasks.bind import BoundTask
from ise_env.traces.record import Trajectory
from ise_env.users.audit import audit
from ise_env.users.audit_table import tables
from ise_env.users.misbehaving import MisbehavingModel
from ise_env.users.replay import replay_user

CANARY = "kakapo71"


def play(intent: Intent, user: str, seed: int, agent_spec: str = "faulty") -> Trajectory:
    env = IntentEnv(intent, user=user)
    agent = make_agent(agent_spec)()
    try:
        observation, _ = env.reset(seed=seed)
        agent.reset(AgentContext(intent=intent, seed=seed))
        ended = False
        while not ended:
            observation, _, terminated, truncated, _ = env.step(agent.act(observation))
            ended = terminated or truncated
        return env.trajectory(agent=agent.provenance)
    finally:
        env.close()


def said(trajectory: Trajectory) -> list[str]:
    return [m["content"] for m in trajectory.messages if m["role"] == "user"]


def planted(checks: tuple[Check, ...]) -> Iterator[Check]:
    """The checks with the canary in every field that may hold any text."""
    for check in checks:
        fields: dict[str, Any] = {"id": f"{check.id}_{CANARY}", "failure": CANARY}
        for name in ("expected", "equals", "contains", "pattern", "text", "value", "code"):
            if isinstance(getattr(check, name, None), str):
                fields[name] = CANARY
        yield check.model_copy(update=fields)


def search_for_the_canary(monkeypatch: pytest.MonkeyPatch, episodes: int) -> None:
    honest = BoundTask.checks
    monkeypatch.setattr(BoundTask, "checks", lambda self: tuple(planted(honest(self))))
    with MisbehavingModel(rate=0.0) as model:
        prompts: list[str] = []
        answer = model.answer

        def listening(messages: Any) -> str:
            prompts.append(json.dumps(messages))
            return answer(messages)

        monkeypatch.setattr(model, "answer", listening)
        for number, intent in enumerate(sample(episodes, 5)):
            user = f"llm:m@{model.base_url}" if number % 2 else "rule"
            trajectory = play(intent, user, number)
            turns = json.dumps([m for m in trajectory.messages if m["role"] == "user"])
            assert CANARY not in turns
            assert CANARY not in json.dumps(trajectory.ledger)
            assert CANARY in json.dumps([c.model_dump() for c in trajectory.checks])
    assert len(prompts) > episodes
    assert not any(CANARY in text for text in prompts)


def test_no_word_of_the_verifier_reaches_a_prompt_or_a_turn(
    local_backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_for_the_canary(monkeypatch, 6)


@pytest.mark.full
def test_no_word_of_the_verifier_in_two_hundred_episodes(
    local_backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_for_the_canary(monkeypatch, 200)


def test_a_recorded_user_is_replayed_word_for_word(local_backend, tmp_path) -> None:
    intent = next(iter(sample(1, 11)))
    first = play(intent, "rule", 4, "oracle")
    path = tmp_path / "one.jsonl"
    path.write_text(first.model_dump_json() + "\n")
    again = play(intent, f"replay:{path}", 9, "oracle")
    assert said(again)[: len(said(first))] == said(first)[: len(said(again))]
    assert again.provenance.user is not None
    assert again.provenance.user.name.startswith("replay:")
    assert replay_user(str(path), intent).open().act == "request"


def test_an_audit_counts_what_the_lock_rejected_and_finds_nothing_left(local_backend) -> None:
    with MisbehavingModel(["drift", "invent"], rate=0.5, seed=2) as model:
        run = [play(i, f"llm:m@{model.base_url}", n) for n, i in enumerate(sample(4, 3))]
    report = audit(run).as_json()
    assert report["episodes"] == 4
    assert report["rates"]["rejected_before_lock"]["rate"] > 0.2
    assert report["rates"]["drift_after_lock"]["hits"] == 0
    assert report["rates"]["reasks"]["hits"] > 0
    assert report["disclosure_curve"] == sorted(report["disclosure_curve"])
    assert len(list(tables(audit(run)))) >= 4


def test_an_audit_finds_what_no_lock_let_through(local_backend) -> None:
    with MisbehavingModel(["drift"], rate=1.0, seed=2) as model:
        run = [play(i, f"llm+no-lock:m@{model.base_url}", n) for n, i in enumerate(sample(2, 3))]
    report = audit(run).as_json()
    assert report["rates"]["drift_after_lock"]["rate"] > 0.5
    assert report["users"] == {"llm+no-lock": 2}


def test_a_change_of_mind_happens_and_the_checks_follow_it(local_backend) -> None:
    params = {"folder": "shoot", "content": 7, "prefix": "DSC", "photos": 8, "swaps": False}
    task = Task(
        id="t1", title="Rename photos", domain="file-io", kit="file-io/rename-photos", version=2,
        params={**params, "at_first": "lost.txt"},
    )  # fmt: skip
    intent = Intent(id="fickle", utterance="Rename my photos by the manifest.", tasks=(task,))
    trajectory = play(intent, "rule", 3, "oracle")
    acts = [m["x"]["user"]["act"] for m in trajectory.messages if m["role"] == "user"]
    assert acts[:2] == ["request", "change_mind"]
    assert "shoot/lost.txt" in said(trajectory)[0] and "missing.txt" not in said(trajectory)[0]
    assert "shoot/missing.txt" in said(trajectory)[1]
    assert trajectory.success
    assert trajectory.user_verdict is not None and trajectory.user_verdict.satisfied
