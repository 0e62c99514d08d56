from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent
from ise_env.rollout.config import RolloutConfig, refuse_changes, without_endpoint, without_headers
from ise_env.rollout.plan import IntentList, Plan, check_extends, episodes_wanted
from ise_env.traces.layout import Manifest

CONFIG = RolloutConfig(agent="oracle")


@pytest.fixture
def intents(tmp_path):
    path = tmp_path / "intents.jsonl"
    texts = ["count files", "größe 😀 prüfen", "rename it"]
    records = [Intent(id=f"i{n}", utterance=text) for n, text in enumerate(texts)]
    path.write_text("".join(r.model_dump_json() + "\n" for r in records))
    return IntentList.open(path)


def test_intents_are_read_from_their_offsets(intents):
    assert [intents[n].utterance for n in (2, 0, 1)] == [
        "rename it",
        "count files",
        "größe 😀 prüfen",
    ]
    assert intents.hashes == tuple(intents[n].sha256() for n in range(3))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"agent": "nop"}, False),
        ({"max_turns": 19}, False),
        ({"seed": 1}, False),
        ({"system_prompt": "Work."}, False),
    ],
)
def test_an_episode_id_tells_what_matters_apart(change, same):
    other = RolloutConfig(**{"agent": "oracle", **change})
    assert (CONFIG.episode_id("abc", 0) == other.episode_id("abc", 0)) == same


def test_an_episode_id_does_not_depend_on_hosts():
    a = RolloutConfig(
        agent="openai:qwen3@http://gpu1:8000/v1#temperature=0.7", user="llm:m@http://a"
    )
    b = RolloutConfig(agent="openai:qwen3@http://gpu2:9/v1#temperature=0.7", user="llm:m@http://b")
    c = RolloutConfig(agent="openai:qwen3@http://gpu2:9/v1#temperature=0.2", user="llm:m@http://b")
    assert a.episode_id("abc", 0) == b.episode_id("abc", 0) != c.episode_id("abc", 0)
    assert without_endpoint("replay:runs/a@b") == "replay:runs/a@b"


def test_headers_are_not_written_down():
    spec = "openai:m@http://h/v1#temperature=0.7,header.Authorization=Bearer%20s3cret,top_p=1"
    assert without_headers(spec) == "openai:m@http://h/v1#temperature=0.7,top_p=1"
    assert without_headers("openai:m@http://h/v1#header.X=1") == "openai:m@http://h/v1"
    assert without_headers("oracle") == "oracle"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(total=st.integers(0, 9), shards=st.integers(1, 5))
def test_shards_are_a_partition_of_the_whole(intents, total, shards):
    whole = list(Plan(intents, CONFIG, total).ids())
    parts = [Plan(intents, CONFIG, total, (i, shards)) for i in range(shards)]
    assert sorted(whole) == sorted(id_ for part in parts for id_ in part.ids())
    assert [len(list(part.ids())) for part in parts] == [len(part) for part in parts]
    assert len(set(whole)) == total


def test_jobs_leave_out_what_is_done_and_count_attempts(intents):
    plan = Plan(intents, CONFIG, 4)
    ids = list(plan.ids())
    jobs = list(plan.jobs({ids[0]}, {ids[3]: 2}))
    assert [(j.intent.id, j.trial, j.attempt) for j in jobs] == [
        ("i1", 0, 1),
        ("i2", 0, 1),
        ("i0", 1, 3),
    ]
    assert len({j.seed for j in plan.jobs(set(), {})}) == 4


def test_raising_the_number_only_adds(intents):
    assert list(Plan(intents, CONFIG, 7).ids())[:4] == list(Plan(intents, CONFIG, 4).ids())


def test_episodes_wanted():
    assert episodes_wanted(None, None, 3) == 3
    assert episodes_wanted(None, 4, 3) == 12
    assert episodes_wanted(100, None, 3) == 100
    with pytest.raises(ConfigError, match="3 intents in 2 trials make 6 episodes"):
        episodes_wanted(7, 2, 3)


def test_a_changed_configuration_is_named():
    manifest = Manifest(
        run_id="r", created="", configuration={}, identity=RolloutConfig(agent="nop").identity()
    )
    refuse_changes(manifest, RolloutConfig(agent="nop"), "runs/a")
    with pytest.raises(ConfigError, match=r'agent was "nop", is "oracle"; max_turns was 20, is 3;'):
        refuse_changes(manifest, RolloutConfig(agent="oracle", max_turns=3), "runs/a")


def test_other_intents_are_refused(intents):
    check_extends(intents, (*intents.hashes, "new"), "f")
    with pytest.raises(ConfigError, match="f: intent 2 is not the one"):
        check_extends(intents, (intents.hashes[0], "other", "x"), "f")
    with pytest.raises(ConfigError, match="has 1 intents, the run began with 3"):
        check_extends(intents, intents.hashes[:1], "f")
