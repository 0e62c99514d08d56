"""The sampler's promises: deterministic, sharded, without repetition, exhaustible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ise_env.errors import ConfigError
from ise_env.intents.pools import Exclusive, Pools, load_pools
from ise_env.intents.realisers import missing_facts
from ise_env.intents.sampler import IntentTuple, Tuples, sample
from ise_env.intents.space import Permutation, Selections, Walk
from ise_env.tasks.bind import bind

KITS = [
    f"{domain}/{task}" for domain in ("file-io", "source-chain", "multimedia") for task in "abcde"
]


def _identity(drawn: IntentTuple) -> tuple[str, str, frozenset[str]]:
    return drawn.persona.id, drawn.complexity, frozenset(drawn.kits)


def _recorded(tuples: Iterator[IntentTuple], drawn: list[IntentTuple]) -> Iterator[IntentTuple]:
    for item in tuples:
        drawn.append(item)
    yield from ()


def _small(people: int) -> Pools:
    pools = load_pools()
    return replace(pools, personas=pools.personas[:people], rules=())


@settings(deadline=None)
@given(st.integers(1, 5000), st.binary(min_size=1, max_size=8))
def test_permutation_is_a_bijection(size: int, key: bytes) -> None:
    permutation = Permutation(size, key)
    assert sorted(permutation(i) for i in range(size)) == list(range(size))


def test_selections_are_all_different_and_touch_their_domains() -> None:
    selections = Selections([["a/1", "a/2", "a/3"], ["b/1", "b/2"]], 3)
    found = [selections[rank] for rank in range(len(selections))]
    assert len({frozenset(selection) for selection in found}) == len(found)
    assert all({kit[0] for kit in selection} == {"a", "b"} for selection in found)
    assert all(len(selection) == 3 for selection in found)
    assert len(found) == 3 * 1 + 3 * 2


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from([0, 0.1, 0.5, 1, 3])), min_size=1, max_size=8
    ),
    st.binary(max_size=4),
)
def test_walk_draws_everything_of_weight_once(strata: list[tuple[int, float]], key: bytes) -> None:
    walk = Walk([size for size, _ in strata], [weight for _, weight in strata], key)
    drawn = list(iter(walk.next, None))
    expected = {
        (s, rank) for s, (size, weight) in enumerate(strata) if weight for rank in range(size)
    }
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == expected


def test_walk_draws_strata_by_weight_not_by_size() -> None:
    walk = Walk([10**6, 2000, 10**9], [1, 1, 0.25], b"k")
    counts = Counter(item[0] for item in islice(iter(walk.next, None), 900))
    assert counts[0] == pytest.approx(400, abs=3)
    assert counts[1] == pytest.approx(400, abs=3)
    assert counts[2] == pytest.approx(100, abs=3)


def test_tuples_do_not_repeat() -> None:
    drawn = list(islice(Tuples(load_pools(), KITS, 3), 5000))
    assert len({_identity(item) for item in drawn}) == len(drawn)
    assert all(len(set(item.kits)) == len(item.kits) for item in drawn)


def test_priors_and_draw_sizes_are_the_published_ones() -> None:
    drawn = list(islice(Tuples(load_pools(), KITS, 0), 4000))
    share = Counter(item.complexity for item in drawn)
    assert share["simple"] == pytest.approx(400, abs=80)
    assert share["medium"] == pytest.approx(1600, abs=130)
    assert np.mean([len(item.kits) for item in drawn]) == pytest.approx(4.40, abs=0.05)
    assert np.mean([len(item.domains) for item in drawn]) == pytest.approx(2.35, abs=0.05)


def test_another_seed_is_another_sequence() -> None:
    one, same, other = (
        [_identity(item) for item in islice(Tuples(load_pools(), KITS, seed), 50)]
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_the_space_can_be_drawn_to_its_end() -> None:
    pools = _small(2)
    pools = replace(pools, tiers={"simple": pools.tiers["simple"]})
    tuples = Tuples(pools, ["file-io/a", "file-io/b", "file-io/c", "source-chain/a"], 0)
    drawn: list[IntentTuple] = []
    with pytest.raises(ConfigError, match=r"after \d+ intents no further simple"):
        drawn.extend(_recorded(iter(tuples), drawn))
    assert len({_identity(item) for item in drawn}) == len(drawn)
    assert len(drawn) == tuples.capacity("simple") == 2 * 4


def test_more_than_the_space_holds_is_refused_beforehand() -> None:
    with pytest.raises(ConfigError, match="at most"):
        Tuples(_small(1), KITS[:3], 0).require(10**6)


def test_exclusive_tasks_never_meet() -> None:
    rule = Exclusive(rule="exclusive", tasks=("file-io/*",), why="one at a time")
    pools = replace(load_pools(), rules=(rule,))
    for item in islice(Tuples(pools, KITS, 0), 300):
        assert sum(kit.startswith("file-io/") for kit in item.kits) <= 1


def test_sampled_intents_bind_and_mention_every_fact() -> None:
    for intent in sample(40, 5):
        tasks = bind(intent)
        assert len(tasks) == len(intent.tasks)
        goals = [goal for task in tasks for goal in task.subgoals()]
        assert missing_facts(intent.utterance, goals) == []
        assert intent.checked
        assert intent.realiser is not None
        assert intent.realiser.scripted


def test_shards_together_are_the_whole() -> None:
    whole = list(sample(30, 7))
    shards = [list(sample(30, 7, shard=(part, 4))) for part in range(4)]
    assert [intent for i in range(30) for intent in [shards[i % 4][i // 4]]] == whole


def test_programs_that_are_not_there_leave_kits_out() -> None:
    for intent in sample(20, 0, programs=()):
        for task in bind(intent):
            assert task.kit.requires == ()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n": -1}, "n: must not be negative"),
        ({"shard": (2, 2)}, "shard: must be k/N"),
        ({"kits": ["nothing/*"]}, "no kit is left"),
        ({"n": 10**15}, "at most"),
        ({"pools": "/nowhere"}, "no such directory"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sample(**{"n": 5, "seed": 0, **arguments})  # type: ignore[arg-type]
