"""The kits as a set: how many, of what, and that every tool has its use."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np
import pytest

from ise_env.intents.pools import load_pools
from ise_env.intents.sampler import sample
from ise_env.tasks.registry import all_kits
from ise_env.tools.registry import DEFAULT

KITS = [kit for kit in all_kits() if type(kit).__module__.startswith("ise_env.")]


@lru_cache(maxsize=1)
def drawn():
    """Each kit with the parameters of one draw."""
    person = load_pools().personas[0].persona()
    return [(kit, kit.draw(np.random.default_rng(0), person, "medium")) for kit in KITS]


def test_every_domain_has_its_kits():
    counts = Counter(kit.name.partition("/")[0] for kit in KITS)
    assert len(KITS) >= 131
    assert len(counts) == 10
    assert min(counts.values()) >= 10


def test_every_reference_tool_is_used_by_a_kit():
    assert set(DEFAULT) <= {tool for kit in KITS for tool in kit.tools}


def test_obstacles_chains_and_forbidden_events():
    assert sum(bool(kit.obstacle) for kit in KITS) >= 40
    chains = forbidden = 0
    for kit, params in drawn():
        goals = kit.subgoals(params)
        chains += any(
            artifact in later.request
            for n, later in enumerate(goals)
            for earlier in goals[:n]
            for artifact in earlier.artifacts
        )
        forbidden += any(check.forbidden for check in kit.checks(params))
    assert chains >= 25
    assert forbidden >= 30


def test_kits_that_know_people_say_so():
    """So that no two of them are drawn with people of one name for the same intent."""
    for kit, params in drawn():
        known = [p for s in kit.seed(params).services for p in getattr(s, "people", ())]
        assert bool(known) == kit.people, kit.name


def test_no_intent_has_two_people_of_one_name():
    by_name = {kit.name: kit for kit in KITS}
    for intent in sample(40, 6, kits=["comms-social/*"]):
        names: list[str] = []
        for task in intent.tasks:
            kit = by_name[task.kit]
            services = kit.seed(kit.params.model_validate(task.params)).services
            names += {person.name for s in services for person in getattr(s, "people", ())}
        assert len(names) == len(set(names))


def test_more_lies_about_than_is_needed():
    """Files and messages that a workspace of one intent starts with."""
    by_name = {kit.name: kit for kit in KITS}
    counts = []
    for intent in sample(60, 5):
        count = 0
        for task in intent.tasks:
            kit = by_name[task.kit]
            seed = kit.seed(kit.params.model_validate(task.params))
            count += len(seed.files)
            count += sum(len(getattr(s, "messages", ())) for s in seed.services)
        counts.append(count)
    assert np.mean(counts) >= 15


def test_an_intent_is_a_short_record():
    sizes = [len(intent.model_dump_json().encode()) for intent in sample(60, 5)]
    assert np.mean(sizes) < 8_000


@pytest.mark.full
def test_the_oracle_succeeds_on_composed_intents(tmp_path, local_backend):
    from ise_env.rollout.collector import Pace
    from ise_env.rollout.progress import NoDisplay
    from ise_env.rollout.session import Request, collect
    from ise_env.traces.reader import read_run

    intents = tmp_path / "intents.jsonl"
    intents.write_text("".join(f"{i.model_dump_json()}\n" for i in sample(1_000, 21)))
    request = Request(tmp_path / "run", {"agent": "oracle"}, intents, pace=Pace(concurrency=4))
    assert collect(request, NoDisplay()).complete
    failed = [r.intent.id for r in read_run(tmp_path / "run") if not r.success]
    assert failed == []
