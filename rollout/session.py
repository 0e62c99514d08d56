"""Beginning a run, and continuing one: everything that is checked before the first episode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ise_env.agents import make_agent
from ise_env.env import IntentEnv
from ise_env.episode import versions
from ise_env.errors import ConfigError
from ise_env.intents.load import load_intents
from ise_env.intents.model import Intent
from ise_env.llm import Prices
from ise_env.rollout.collector import Collector, Outcome, Pace
from ise_env.rollout.config import RolloutConfig, refuse_changes, run_id_of, without_headers
from ise_env.rollout.costs import check_prices
from ise_env.rollout.past import Past
from ise_env.rollout.plan import IntentList, Plan, check_extends, episodes_wanted, hash_of
from ise_env.rollout.play import crash_is_the_agents
from ise_env.rollout.progress import Display
from ise_env.tasks.bind import bind
from ise_env.traces.layout import Layout, Manifest, first_problem
from ise_env.traces.store import RunStore, check_is_free, now, write_intents
from ise_env.users import make_user
from ise_env.workspaces import make_backend
from ise_env.workspaces.protocol import Limits


@dataclass(frozen=True)
class Request:
    """What a caller asks for.

    Attributes:
        out: The run directory.
        intents: File of intents; None to continue with those of the run.
        config: Fields of `RolloutConfig`; those left out have their defaults, or, when a run
            is continued, the values that it began with.
        n: Episodes in all; None for every intent, `trials` times.
        trials: Times that each intent is played, each with another seed.
        shard: (i, n), 0-based: play only every n-th episode, from the i-th on.
        resume: Continue the run that is in `out`.
        retry_invalid: Try again what earlier sessions gave up.
        prices: TOML file with what models cost.
        pace: How fast.
        seal: Compress the shards once the run is complete, where zstd is installed.
    """

    out: Path
    config: dict[str, Any]
    intents: Path | None = None
    n: int | None = None
    trials: int | None = None
    shard: tuple[int, int] = (0, 1)
    resume: bool = False
    retry_invalid: bool = False
    prices: Path | None = None
    pace: Pace = field(default_factory=Pace)
    seal: bool = True


def collect(request: Request, display: Display) -> Outcome:
    """Begin or continue a run and collect until it is complete or something stops it.

    Raises:
        ConfigError: Something asked for cannot be used; nothing was begun.
        WorkspaceError: No workspace can be made here.
        StoreError: The run cannot be written.
    """
    prices = None if request.prices is None else Prices.load(request.prices)
    begin = _continue_run if request.resume else _begin_run
    config, store, plan = begin(request, prices)
    with store:
        agent = make_agent(config.agent)
        past = Past.of(store, request.pace.max_attempts, retry_invalid=request.retry_invalid)
        outcome = Collector(config, plan, store, agent, request.pace, past, prices).run(display)
        if outcome.complete and request.seal:
            store.seal_all()
    return outcome


def configuration_of(fields: dict[str, Any]) -> RolloutConfig:
    """Make a configuration of plain values.

    Raises:
        ConfigError: A value cannot be used; names the option.
    """
    try:
        config = RolloutConfig(**fields)
        Limits(**config.limits)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigError(f"rollout configuration: {first_problem(error)}") from error
    except TypeError as error:
        raise ConfigError(f"rollout configuration: limits: {error}") from error
    return config


def _begin_run(request: Request, prices: Prices | None) -> tuple[RolloutConfig, RunStore, Plan]:
    if request.intents is None:
        raise ConfigError("--intents is missing: name a file of intents")
    config = configuration_of(request.config)
    check_is_free(request.out)
    hashes = tuple(i.sha256() for i in _usable_intents(request.intents, config))
    total = episodes_wanted(request.n, request.trials, len(hashes))
    _preflight(config, request, prices, next(load_intents(request.intents)))
    manifest = Manifest(
        run_id=run_id_of(config, hash_of(hashes)),
        created=now(),
        configuration=_configuration_record(request, config, total),
        identity=config.identity(),
        versions=versions(),
    )
    store = RunStore.create(
        request.out, manifest, load_intents(request.intents), writer=_writer_of(request.shard)
    )
    plan = Plan(IntentList.open(store.layout.intents), config, total, request.shard)
    return config, store, plan


def _continue_run(request: Request, prices: Prices | None) -> tuple[RolloutConfig, RunStore, Plan]:
    layout = Layout(request.out)
    manifest = layout.read_manifest()
    began = manifest.configuration
    if "rollout" not in began:
        raise ConfigError(f"{request.out}: holds imported records, which cannot be continued")
    fields = {**_as_dict(began.get("rollout")), **request.config}
    config = configuration_of(fields)
    refuse_changes(manifest, config, str(request.out))
    shard = _shard_of(began)
    if request.shard not in ((0, 1), shard):
        raise ConfigError(
            f"{request.out}: holds shard {shard[0]}/{shard[1]} of its run; give the others "
            "their own --out and join them with `ise merge`"
        )
    _preflight(config, request, prices, IntentList.open(layout.intents)[0])
    store = RunStore.reopen(request.out, writer=_writer_of(shard))
    try:
        intents = _intents_to_continue(layout, request.intents, config)
        total = _total_to_continue(request, began, len(intents))
        store.manifest = store.manifest.model_copy(
            update={
                "configuration": {**began, "episodes": total},
                "versions": versions(),
                "status": "collecting",
            }
        )
        store.save_manifest()
    except BaseException:
        store.close()
        raise
    return config, store, Plan(intents, config, total, shard)


def _intents_to_continue(layout: Layout, source: Path | None, config: RolloutConfig) -> IntentList:
    intents = IntentList.open(layout.intents)
    if source is None:
        return intents
    hashes = tuple(i.sha256() for i in _usable_intents(source, config))
    check_extends(intents, hashes, str(source))
    if len(hashes) > len(intents):
        write_intents(layout, load_intents(source))
        intents = IntentList.open(layout.intents)
    return intents


def _total_to_continue(request: Request, began: dict[str, Any], intents: int) -> int:
    before = int(began["episodes"])
    if request.n is None and request.trials is None:
        return before
    total = episodes_wanted(request.n, request.trials, intents)
    if total < before:
        raise ConfigError(
            f"{request.out}: the run was begun with {before} episodes, now {total}; "
            "the number can only be raised"
        )
    return total


def _usable_intents(path: Path, config: RolloutConfig) -> Iterator[Intent]:
    """Yield the intents of a file, each tried on the installed kits."""
    for number, intent in enumerate(load_intents(path), 1):
        try:
            bind(intent, allow_kit_drift=config.allow_kit_drift)
        except ConfigError as error:
            raise ConfigError(f"{path}: intent {number} ({intent.id}): {error}") from error
        yield intent


def _preflight(
    config: RolloutConfig, request: Request, prices: Prices | None, first: Intent
) -> None:
    """Find out once what would otherwise fail in every episode, before anything is written."""
    with crash_is_the_agents():
        agent = make_agent(config.agent)()
    models = [agent.provenance.model]
    agent.close()
    if config.user is not None:
        user = make_user(config.user, intent=first, subgoals=[], rng=np.random.default_rng(0))
        models.append(user.provenance.model)
    check_prices(prices, models, request.pace.max_cost_usd)
    env = IntentEnv(**config.env_arguments())
    backend = make_backend(config.workspace)
    backend.create(
        limits=env.limits, allow_degraded=config.allow_degraded, owner="preflight"
    ).close()


def _configuration_record(request: Request, config: RolloutConfig, total: int) -> dict[str, Any]:
    return {
        "rollout": {
            **config.model_dump(mode="json"),
            "agent": without_headers(config.agent),
            "user": None if config.user is None else without_headers(config.user),
        },
        "intents": str(request.intents),
        "episodes": total,
        "shard": list(request.shard),
        "concurrency": request.pace.concurrency,
    }


def _writer_of(shard: tuple[int, int]) -> str:
    return "w0" if shard == (0, 1) else f"s{shard[0]}of{shard[1]}"


def _shard_of(began: dict[str, Any]) -> tuple[int, int]:
    i, n = began.get("shard", [0, 1])
    return int(i), int(n)


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
