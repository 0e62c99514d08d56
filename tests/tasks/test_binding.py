"""Kits are found, and intents meet them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from ise_env.errors import ConfigError
from ise_env.intents.model import Intent, Task
from ise_env.tasks import registry
from ise_env.tasks.admission import NOBODY, TIERS
from ise_env.tasks.bind import bind

SOME = "intelligence-core/reconcile-ledger"


def task(name: str, id: str = "t1", seed: int = 0, **changes: Any) -> Task:
    kit = registry.get(name)
    params = kit.draw(np.random.default_rng(seed), NOBODY, "simple").model_dump(mode="json")
    given: dict[str, Any] = {
        "id": id,
        "domain": name.split("/")[0],
        "title": kit.title,
        "kit": name,
        "version": kit.version,
        "params": params,
    }
    return Task(**(given | changes))


def intent(*tasks: Task) -> Intent:
    return Intent(id="i1", utterance="please", tasks=tasks)


def test_ids_carry_the_task() -> None:
    (bound,) = bind(intent(task(SOME, "t3")))
    goals = bound.subgoals()
    assert [g.id for g in goals] == ["t3.compare", "t3.net"]
    assert {f.id.split(".")[0] for g in goals for f in g.facts} == {"t3"}
    checks = bound.checks()
    assert all(c.id.startswith("t3.") for c in checks)
    assert {c.subgoal for c in checks if c.subgoal} == {g.id for g in goals}
    assert bound.solve("t3.net") is not None
    assert bound.solve("net") is not None
    with pytest.raises(KeyError, match="compare"):
        bound.solve("t3.nothing")


def test_tasks_without_a_kit_are_left_out() -> None:
    plain = Task(id="t9", domain="file-io", title="Something")
    assert [b.task.id for b in bind(intent(plain, task(SOME)))] == ["t1"]


NUMBERS = [
    (name, field)
    for name in registry.names()
    for field, about in registry.get(name).params.model_fields.items()
    if about.annotation is int
]


def test_numbers_out_of_range_are_refused_by_name() -> None:
    assert len(NUMBERS) > 200
    for name, field in NUMBERS:
        params = task(name).params
        for number in (-100_000, 10_000_000_000):
            if field == "content" and number > 0:
                continue
            with pytest.raises(ConfigError, match=rf"t1: {name}: {field}: Input should be"):
                bind(intent(task(name, params=params | {field: number})))


def test_parameters_that_make_nothing_are_named_with_their_task() -> None:
    name = "agent-memory/recall-decision"
    params = task(name).params | {"subject": "weather"}
    (bound,) = bind(intent(task(name, params=params)))
    for make in (bound.seed, bound.checks):
        with pytest.raises(ConfigError, match=rf"task t1: {name} makes nothing of.*'weather'"):
            make()


def test_another_version_is_refused_with_both_named() -> None:
    old = intent(task(SOME, version=99))
    with pytest.raises(ConfigError, match=r"version 99.*version 1"):
        bind(old)
    assert len(bind(old, allow_kit_drift=True)) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kit": "intelligence-core/reconcile-leger"}, "did you mean intelligence-core/reconcile"),
        ({"kit": "zzz"}, "unknown kit 'zzz'"),
        ({"params": {}}, "i1, task t1: intelligence-core/reconcile-ledger: folder: Field required"),
        ({"params": {"folder": "../x"}}, "folder: String should match"),
    ],
)
def test_what_cannot_be_bound_says_why(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bind(intent(task(SOME, **changes)))


def test_two_tasks_never_share_a_folder() -> None:
    twice = intent(task(SOME, "t1", seed=0), task(SOME, "t2", seed=0))
    with pytest.raises(ConfigError, match=r"t1 and t2 share the folder"):
        bind(twice)


def test_names_are_known_without_importing_a_kit() -> None:
    program = (
        "import sys; from ise_env.tasks import registry; assert len(registry.names()) > 11;"
        "loaded = [m for m in sys.modules if m.startswith('ise_env.tasks.') and m.count('.') > 2];"
        "assert not loaded, loaded; assert not {'openai', 'docker'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def install(name: str, value: str) -> None:
        point = EntryPoint(name, value, registry.GROUP)
        monkeypatch.setattr(registry, "_foreign", lambda: {name: point})

    yield install
    registry._load_foreign.cache_clear()


def test_a_kit_from_an_entry_point(plugin: Any) -> None:
    value = "ise_env.tasks.intelligence_core.reconcile_ledger:ReconcileLedger"
    plugin("my/other-name", value)
    assert "my/other-name" in registry.names()
    with pytest.raises(ConfigError, match="calls itself"):
        registry.get("my/other-name")


@pytest.mark.parametrize(
    ("value", "message"),
    [("nowhere.at.all:Kit", "cannot be loaded"), ("json:dumps", "no subclass of Kit")],
)
def test_a_broken_entry_point_says_what_is_wrong(plugin: Any, value: str, message: str) -> None:
    plugin("my/kit", value)
    with pytest.raises(ConfigError, match=message):
        registry.get("my/kit")


@pytest.mark.parametrize("name", registry.names())
def test_parameters_are_small_and_mean_the_same_again(name: str) -> None:
    kit = registry.get(name)
    for seed, tier in enumerate(TIERS):
        p = kit.draw(np.random.default_rng(seed), NOBODY, tier)
        assert p == kit.draw(np.random.default_rng(seed), NOBODY, tier)
        text = p.model_dump_json()
        assert len(text) < 1500
        again = kit.params.model_validate_json(text)
        assert kit.seed(again) == kit.seed(p)
        assert kit.checks(again) == kit.checks(p)


def test_no_two_kits_share_a_folder() -> None:
    owners: dict[str, str] = {}
    for kit in registry.all_kits():
        assert len(kit.folders) >= 2, kit.name
        for folder in kit.folders:
            assert owners.setdefault(folder, kit.name) == kit.name


def test_what_must_wait_is_checked_only_while_nobody_asks_for_it() -> None:
    first, both = (
        {c.id: c.until for c in bind(intent(task("file-io/prune-backups", steps=n)))[0].checks()}
        for n in (1, 2)
    )
    assert first["t1.not yet"] == "t1.prune"
    assert "t1.not yet" not in both


def test_more_steps_than_a_kit_has_are_refused() -> None:
    bound = bind(intent(task("file-io/prune-backups", steps=3)))[0]
    with pytest.raises(ConfigError, match="steps is 3, but file-io/prune-backups has only 2"):
        bound.subgoals()
