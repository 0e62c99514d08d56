from __future__ import annotations

import pytest

from ise_env.errors import ConfigError
from ise_env.intents.sampler import sample
from ise_env.intents.splits import CANARY, SPLITS, as_split, held_out_kits, split_of, split_of_kits
from ise_env.tasks.registry import names


def test_held_out_kits_exist_and_cover_every_domain():
    assert held_out_kits() <= set(names())
    domains = {name.partition("/")[0] for name in names() if not name.startswith("housekeeping/")}
    assert {kit.partition("/")[0] for kit in held_out_kits()} == domains


@pytest.mark.parametrize("split", SPLITS)
def test_a_suite_holds_what_its_split_says(split):
    intents = list(sample(40, 3, split=split))
    assert {split_of(intent) for intent in intents} == {split}
    kits = [{task.kit for task in intent.tasks} for intent in intents]
    assert all(bool(k & held_out_kits()) == (split == "held-out-kit") for k in kits)
    assert {i.canary for i in intents} == {None if split == "train" else CANARY}


def test_shards_of_a_suite_make_the_whole():
    whole = [i.id for i in sample(20, 3, split="held-out-composition")]
    parts = [
        [i.id for i in sample(20, 3, split="held-out-composition", shard=(k, 3))] for k in range(3)
    ]
    assert [parts[n % 3][n // 3] for n in range(20)] == whole


def test_a_composition_is_held_out_whatever_its_order_and_one_kit_is_none():
    one, other = sorted(set(names()) - held_out_kits())[:2]
    assert split_of_kits(frozenset([one])) == "train"
    assert split_of_kits(frozenset([one, other])) == split_of_kits(frozenset([other, one]))
    assert split_of_kits(frozenset([one, next(iter(held_out_kits()))])) == "held-out-kit"


def test_unknown_splits_and_empty_ones_are_refused():
    with pytest.raises(ConfigError, match="expected one of train, held-out-composition"):
        as_split("test")
    only = next(kit for kit in names() if kit not in held_out_kits())
    with pytest.raises(ConfigError, match="none of the kits to draw from is held out"):
        next(sample(1, 0, kits=[only], split="held-out-kit"))
