from __future__ import annotations

import json

import pytest

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.llm import Prices
from ise_env.rollout.costs import check_prices, with_cost
from ise_env.rollout.evaluate import score_run
from ise_env.rollout.play import AgentCrashed
from ise_env.rollout.stats import collect_statistics
from ise_env.traces.fsck import check_run
from ise_env.traces.layout import Layout, StoreError
from ise_env.traces.reader import read_failed_attempts, read_invalid, read_run, read_tools
from ise_env.traces.record import UserRecord
from ise_env.traces.repair import repair
from ise_env.traces.store import RunStore


def test_every_episode_is_kept_and_the_run_is_complete(rollout, tmp_path):
    outcome = rollout("Works", seal=False)
    records = list(read_run(tmp_path / "run"))
    assert (outcome.complete, outcome.exit_status, len(records)) == (True, 0, 4)
    assert {len(r.messages) for r in records} == {13}
    assert {r.termination.reason for r in records} == {"agent_ended"}
    assert all(read_tools(tmp_path / "run", r.provenance.tools_sha256) for r in records)
    manifest = Layout(tmp_path / "run").read_manifest()
    assert (manifest.status, manifest.counts.finished) == ("complete", 4)


def test_the_same_run_twice_gives_the_same_ids_and_seeds(rollout, tmp_path):
    rollout("Say")
    rollout("Say", out=tmp_path / "again", pace={"concurrency": 1})
    first, second = (
        sorted((r.episode_id, r.seed, r.run_id) for r in read_run(tmp_path / name))
        for name in ("run", "again")
    )
    assert first == second


def test_sub_agents_are_played_by_the_same_agent(rollout, tmp_path):
    rollout("Delegates", seal=False)
    records = list(read_run(tmp_path / "run"))
    assert [c.status for r in records for c in r.subagents] == ["done"] * 4
    assert all(r.workspace.diff[0].path == "out.txt" for r in records)
    statistics = collect_statistics(tmp_path / "run")
    assert statistics.subagents == {"done": 4}
    assert statistics.subagent_outcomes == {"ok": 4}
    assert statistics.calls == {"sessions_spawn": 4}
    assert statistics.user_turns.maximum == 1


def test_more_can_be_collected_later(rollout, tmp_path):
    rollout("Say", n=2)
    before = list(read_run(tmp_path / "run"))
    outcome = rollout(resume=True, intents=None, n=9)
    records = list(read_run(tmp_path / "run"))
    assert (len(before), len(records), outcome.counts.finished) == (2, 9, 9)
    assert {r.episode_id for r in before} <= {r.episode_id for r in records}
    assert sorted({r.trial for r in records}) == [0, 1, 2]
    with pytest.raises(ConfigError, match="begun with 9 episodes, now 3"):
        rollout(resume=True, intents=None, n=3)


def test_resuming_a_complete_run_plays_nothing(rollout, tmp_path):
    rollout("Say")
    outcome = rollout(resume=True, intents=None)
    assert (outcome.exit_status, outcome.snapshot.session_done) == (0, 0)
    assert len(list(read_run(tmp_path / "run"))) == 4


def test_a_changed_configuration_is_refused_by_name(rollout):
    rollout("Say")
    with pytest.raises(ConfigError, match=r"agent was .*Say.* is .*Works.*max_turns was 20, is 3"):
        rollout("Works", resume=True, config={"max_turns": 3})


def test_longer_intents_extend_a_run_and_others_are_refused(rollout, intents, tmp_path):
    rollout("Say")
    with intents.open("a") as file:
        file.write("Draw a cat.\n")
    outcome = rollout("Say", resume=True, trials=1)
    assert outcome.counts.finished == 5
    intents.write_text("Something else.\n")
    with pytest.raises(ConfigError, match="intent 1 is not the one"):
        rollout("Say", resume=True)


def test_an_agent_that_crashes_costs_its_own_episode_only(rollout, tmp_path):
    outcome = rollout("Crashes")
    assert (outcome.complete, outcome.exit_status, outcome.counts.invalid) == (True, 3, 4)
    failures = list(read_failed_attempts(tmp_path / "run"))
    assert {f.error.kind for f in failures} == {"AgentCrashed"}
    assert "policies.py:" in failures[0].error.message
    assert "KeyError: 'no such key'" in failures[0].error.message
    invalid = list(read_invalid(tmp_path / "run", set()))
    assert [r.valid for r in invalid] == [False] * 4
    assert all(r.reward is None and r.messages for r in invalid)


def test_episodes_that_never_began_are_counted_as_invalid(rollout, tmp_path):
    outcome = rollout("NeverBegins", n=3, pace={"concurrency": 1})
    assert (outcome.exit_status, outcome.counts.invalid) == (3, 3)
    assert collect_statistics(tmp_path / "run").errors == {"AgentCrashed": 3}
    scores = score_run(tmp_path / "run")
    assert [(s.invalid, s.successes) for s in scores] == [(1, [])] * 3
    with pytest.raises(AgentCrashed, match=r"policies.py:\d+: RuntimeError: no licence"):
        rollout("CannotBeMade", out=tmp_path / "again")


def test_what_is_no_message_is_the_agents_fault(rollout, tmp_path):
    rollout("SpeaksNonsense", n=1)
    (failure,) = read_failed_attempts(tmp_path / "run")
    assert failure.error.kind == "AgentCrashed"
    assert "not int" in failure.error.message


def test_what_may_succeed_is_tried_again(rollout, tmp_path):
    outcome = rollout("CrashesOnce")
    assert (outcome.exit_status, outcome.counts.finished) == (0, 4)
    assert outcome.counts.failed_attempts == 4
    assert {f.attempt for f in read_failed_attempts(tmp_path / "run")} == {1}
    statistics = collect_statistics(tmp_path / "run")
    assert (statistics.valid, statistics.invalid) == (4, 0)


def test_attempts_are_bounded_over_sessions(rollout, tmp_path):
    rollout("NeverAnswers", n=2, pace={"max_attempts": 2})
    assert [f.attempt for f in read_failed_attempts(tmp_path / "run")].count(2) == 2
    outcome = rollout(resume=True, intents=None, pace={"max_attempts": 2})
    assert (outcome.snapshot.session_done, outcome.exit_status) == (0, 3)
    outcome = rollout(resume=True, intents=None, pace={"max_attempts": 3})
    assert outcome.snapshot.session_done == 2
    assert sum(1 for _ in read_failed_attempts(tmp_path / "run")) == 6
    rollout(resume=True, intents=None, retry_invalid=True, pace={"max_attempts": 1})
    assert sum(1 for _ in read_failed_attempts(tmp_path / "run")) == 8


def test_a_refused_key_stops_the_run_at_once(rollout, tmp_path):
    outcome = rollout("Refused", n=40, pace={"concurrency": 1})
    assert (outcome.complete, outcome.exit_status) == (False, 1)
    assert "401: the key is not accepted" in outcome.reason
    assert sum(1 for _ in read_failed_attempts(tmp_path / "run")) == 1
    assert Layout(tmp_path / "run").read_manifest().status == "stopped"


def test_a_run_that_goes_nowhere_stops(rollout, tmp_path):
    outcome = rollout("Crashes", n=40, pace={"concurrency": 1, "give_up_after": 5})
    assert (outcome.complete, outcome.exit_status) == (False, 1)
    assert "5 episodes in a row were invalid" in outcome.reason
    assert sum(1 for _ in read_failed_attempts(tmp_path / "run")) == 5


@pytest.mark.parametrize(
    ("agent", "reason"), [("Overflows", "context_overflow"), ("SpendsAll", "token_budget")]
)
def test_an_exhausted_agent_is_truncated_and_scored(rollout, tmp_path, agent, reason):
    outcome = rollout(agent, n=1)
    (record,) = read_run(tmp_path / "run")
    assert (record.valid, record.termination.reason) == (True, reason)
    assert outcome.exit_status == 0


def test_an_episode_out_of_time_is_truncated(rollout, tmp_path):
    rollout("Works", n=1, config={"episode_time_s": 0.01})
    (record,) = read_run(tmp_path / "run")
    assert (record.termination.reason, record.termination.truncated) == ("time_limit", True)


def test_half_a_character_does_not_cost_the_episode(rollout, tmp_path):
    rollout("HalfACharacter", n=1)
    (record,) = read_run(tmp_path / "run")
    assert record.messages[-1]["content"] == "half \ufffd pair"


def test_a_run_stops_at_its_price(rollout, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('["dear-model"]\ninput = 3.0\noutput = 1.0\n')
    pace = {"max_cost_usd": 5.0, "concurrency": 1}
    outcome = rollout("Costs", prices=prices, pace=pace)
    assert (outcome.complete, outcome.counts.finished) == (False, 2)
    assert "$5.00" in outcome.reason
    assert outcome.snapshot.cost_usd == pytest.approx(6.0)
    assert [r.cost_usd for r in read_run(tmp_path / "run")] == [{"agent": 3.0}] * 2


def test_a_limit_that_cannot_be_held_stops_the_run(rollout, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('["dear-model"]\ninput = 3.0\noutput = 1.0\n')
    outcome = rollout("CostsUnknown", prices=prices, pace={"max_cost_usd": 5.0, "concurrency": 1})
    assert (outcome.complete, outcome.counts.finished) == (False, 1)
    assert "reports no usage" in outcome.reason


def test_the_users_model_and_failed_attempts_are_paid_for(rollout, tmp_path):
    rollout("Costs", n=1)
    (record,) = read_run(tmp_path / "run")
    assert record.cost_usd is None
    attempts = [{"source": "model", "usage": {"prompt_tokens": 1_000_000}}] * 2
    opening = {**record.messages[1], "x": {"user": {"act": "request", "attempts": attempts}}}
    user = UserRecord(name="llm", version="1", scripted=False, model="cheap-model")
    record = record.model_copy(
        update={
            "messages": [record.messages[0], opening, *record.messages[2:]],
            "provenance": record.provenance.model_copy(update={"user": user}),
        }
    )
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '["dear-model"]\ninput = 3.0\noutput = 1.0\n["cheap-model"]\ninput = 0.5\noutput = 1.0\n'
    )
    table = Prices.load(prices)
    assert with_cost(record, table).cost_usd == {"agent": 3.0, "user": 1.0}
    with pytest.raises(ConfigError, match="no price for 'cheap-model'"):
        check_prices(Prices(str(prices), {}), [None, "cheap-model"], None)


def test_what_an_invalid_episode_cost_counts(rollout, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('["dear-model"]\ninput = 3.0\noutput = 1.0\n')
    pace = {"max_cost_usd": 5.0, "concurrency": 1, "max_attempts": 1}
    outcome = rollout("CostsThenFails", prices=prices, pace=pace)
    assert (outcome.complete, outcome.counts.finished, outcome.counts.invalid) == (False, 0, 2)
    assert outcome.snapshot.cost_usd == pytest.approx(6.0)
    again = rollout("CostsThenFails", prices=prices, pace=pace, resume=True, intents=None)
    assert (again.complete, again.snapshot.cost_usd) == (False, pytest.approx(6.0))
    assert "$5.00" in again.reason


def test_a_price_must_be_known(rollout, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text('["other"]\ninput = 3.0\noutput = 1.0\n')
    with pytest.raises(ConfigError, match="no price for 'dear-model'"):
        rollout("Costs", prices=prices)
    with pytest.raises(ConfigError, match="--max-cost"):
        rollout("Costs", pace={"max_cost_usd": 5.0})
    assert not (tmp_path / "run").exists()


def test_thinking_at_the_same_time_is_limited(rollout):
    import policies

    policies.Crowd.most = 0
    rollout("Crowd", n=8, pace={"concurrency": 4, "model_calls": 2})
    assert policies.Crowd.most == 2


def test_shards_make_up_the_whole(rollout, tmp_path):
    rollout("Say", out=tmp_path / "whole")
    ids = []
    for i in range(3):
        rollout("Say", out=tmp_path / f"part{i}", shard=(i, 3))
        ids += [r.episode_id for r in read_run(tmp_path / f"part{i}")]
    assert sorted(ids) == sorted(r.episode_id for r in read_run(tmp_path / "whole"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"agent": "nowhere:Nothing"}}, "nowhere"),
        ({"config": {"agent": "policies:Nothing"}}, "Nothing"),
        ({"config": {"agent": "nop", "workspace": "mars"}}, "mars"),
        ({"config": {"agent": "nop", "tools": ("exec", "telepathy")}}, "telepathy"),
        ({"config": {"agent": "nop", "max_turns": 0}}, "max_turns"),
        ({"config": {"agent": "nop", "limits": {"legs": 4}}}, "legs"),
        ({"config": {"agent": "nop", "user": "nobody"}}, "nobody"),
        ({"intents": None, "config": {"agent": "nop"}}, "--intents"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_written(rollout, tmp_path, change, message):
    with pytest.raises((ConfigError, WorkspaceError), match=message) as caught:
        rollout(**change)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_an_unknown_kit_is_named_with_its_intent(rollout, tmp_path):
    path = tmp_path / "bad.jsonl"
    task = {"id": "t1", "domain": "file-io", "title": "x", "kit": "file-io/none", "version": 1}
    good = {"id": "a", "utterance": "count", "source": "text"}
    bad = {"id": "b", "utterance": "do it", "tasks": [task]}
    path.write_text(json.dumps(good) + "\n" + json.dumps(bad) + "\n")
    with pytest.raises(ConfigError, match=r"bad\.jsonl: intent 2 \(b\): .*file-io/none"):
        rollout("Say", intents=path)
    assert not (tmp_path / "run").exists()


def test_a_disk_that_is_full_ends_the_run_with_one_line(rollout, tmp_path, monkeypatch):
    kept = []

    def append(store, trajectory):
        if len(kept) == 2:
            raise StoreError("cannot write shard: No space left on device")
        kept.append(trajectory)
        return original(store, trajectory)

    original = RunStore.append
    monkeypatch.setattr(RunStore, "append", append)
    with pytest.raises(StoreError, match="No space left"):
        rollout("Say", pace={"concurrency": 1})
    assert len(list(read_run(tmp_path / "run"))) == 2
    monkeypatch.setattr(RunStore, "append", original)
    assert rollout(resume=True, intents=None).counts.finished == 4


def test_a_damaged_shard_is_named_and_mended_by_resuming(rollout, tmp_path):
    rollout("Say", seal=False)
    shard = tmp_path / "run" / "shards" / "w0-00000.jsonl"
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(lines[0] + b"{broken\n" + b"".join(lines[2:]))
    with pytest.raises(ConfigError, match=r"w0-00000\.jsonl:2: .*ise fsck .* --repair"):
        rollout(resume=True, intents=None)
    repair(tmp_path / "run")
    assert rollout(resume=True, intents=None).counts.finished == 4
    assert check_run(tmp_path / "run").sound
