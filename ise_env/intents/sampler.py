"""Drawing intents: persona, domains, tasks and complexity, then parameters, then words.

The tuple is what is sampled without repetition; a shard runs the same cheap sequence of
tuples as everybody and does the costly rest, kits' parameters and the utterance, only for its
own part. Everything about intent number i follows from (seed, i).
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate, combinations, islice
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ise_env.errors import ConfigError
from ise_env.intents.model import Complexity, Intent, Persona, Task
from ise_env.intents.pools import Before, Exclusive, PersonaEntry, Pools, Tier, load_pools
from ise_env.intents.realisers import Draft, Wording
from ise_env.intents.realisers.template import TemplateRealiser
from ise_env.intents.space import Selections, Walk
from ise_env.intents.splits import CANARY, Split, held_out_kits, split_of_kits
from ise_env.tasks.kit import Kit
from ise_env.tasks.registry import all_kits

T = TypeVar("T")

Shape = tuple[int, int]
"""Number of domains, number of tasks."""

_REDRAWS = 50

_PATIENCE = 10_000
"""After so many incompatible selections in a row a persona counts as having had them all."""


@dataclass(frozen=True)
class IntentTuple:
    """The structured intent i = (p, D, T, c) before it is made real.

    Attributes:
        index: Its number in the sequence, from 0.
        kits: Names, in the order in which the persona will ask.
    """

    index: int
    persona: PersonaEntry
    complexity: Complexity
    kits: tuple[str, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of the tasks, in order of appearance."""
        return tuple(dict.fromkeys(_domain(kit) for kit in self.kits))


def sample(
    n: int,
    seed: int,
    *,
    pools: Pools | str | Path | None = None,
    shard: tuple[int, int] = (0, 1),
    kits: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
    programs: Collection[str] | None = None,
    realiser: Wording | None = None,
    split: Split | None = None,
) -> Iterator[Intent]:
    """Sample intents: deterministic, streaming, no tuple twice.

    Args:
        n: How many, over all shards.
        seed: Same seed, pools and kits: the same intents.
        pools: The pools, or the user's directory of them; the built-in ones when None.
        shard: (k, count): only intents number k, k + count, k + 2 count, ... are yielded, so
            that all shards together are the unsharded run.
        kits: Patterns (`file-io/*`) of the kits to draw from.
        exclude: Patterns of kits to leave out, for a split by kit.
        programs: What the workspaces have; kits that require anything else are left out. None
            leaves none out.
        realiser: What puts the tuple into words; the template realiser when None.
        split: Only intents of this split (`ise_env.intents.splits`); those of a held-out one
            carry its canary. None draws from everything.

    Yields:
        Intents in the order of their number.

    Raises:
        ConfigError: Arguments that make no sense, no kit left, or fewer than `n` different
            tuples; the latter is known beforehand or said where the space ends.
    """
    if not isinstance(pools, Pools):
        pools = load_pools(pools)
    if n < 0:
        raise ConfigError(f"n: must not be negative, got {n}")
    part, parts = shard
    if not 0 <= part < parts:
        raise ConfigError(f"shard: must be k/N with 0 <= k < N, got {part}/{parts}")
    if split is not None and split != "held-out-kit":
        exclude = (*exclude, *held_out_kits())
    available = _available(kits, exclude, programs)
    if split == "held-out-kit" and not available.keys() & held_out_kits():
        raise ConfigError("split: none of the kits to draw from is held out")
    tuples = Tuples(pools, sorted(available), seed)
    tuples.require(n)
    wording = realiser or TemplateRealiser(pools.styles)
    wanted = (t for t in tuples if split is None or split_of_kits(frozenset(t.kits)) == split)
    canary = None if split in (None, "train") else CANARY
    return (
        _real(drawn, available, seed, wording, pools.tiers[drawn.complexity], canary)
        for number, drawn in enumerate(islice(wanted, n))
        if number % parts == part
    )


class Tuples:
    """The endless, or exhaustible, sequence of tuples of a seed.

    Args:
        pools: What to draw from.
        kits: Names of the kits, each `<domain>/<kit>`.
        seed: Same seed, same sequence.
    """

    def __init__(self, pools: Pools, kits: Sequence[str], seed: int) -> None:
        self._pools = pools
        self._seed = seed
        self._tasks: dict[str, list[str]] = defaultdict(list)
        for kit in kits:
            domain = _domain(kit)
            if domain not in pools.domains or pools.domains[domain].weight:
                self._tasks[domain].append(kit)
        if not self._tasks:
            raise ConfigError("no kit to draw tasks from; every domain of those left weighs 0")
        self._exclusive = [r.tasks for r in pools.rules if isinstance(r, Exclusive)]
        self._before = [r for r in pools.rules if isinstance(r, Before)]
        self._shapes = {tier.name: self._shapes_of(tier) for tier in pools.tiers.values()}
        self._strata = {
            shape: self._strata_of(*shape) for shapes in self._shapes.values() for shape in shapes
        }
        self._sizes = {
            shape: [len(selections) for selections in strata.values()]
            for shape, strata in self._strata.items()
        }
        self._weights: dict[tuple[str, Shape], list[float]] = {}
        self._walks: dict[tuple[int, Complexity, Shape], Walk] = {}

    def capacity(self, tier: Complexity) -> int:
        """Upper bound of how many tuples of a tier exist; compatibility rules may forbid some."""
        people = sum(1 for persona in self._pools.personas if persona.weight)
        return people * sum(
            len(selections)
            for shape in self._shapes[tier]
            for selections in self._strata[shape].values()
        )

    def require(self, n: int) -> None:
        """Refuse an `n` that cannot be drawn.

        Raises:
            ConfigError: There are fewer tuples than that.
        """
        space = sum(self.capacity(t.name) for t in self._pools.tiers.values() if t.weight)
        if n > space:
            raise ConfigError(
                f"n: {n} intents asked for, but pools and kits hold at most {space} different "
                "ones; ask for fewer, or add personas or kits"
            )

    def __iter__(self) -> Iterator[IntentTuple]:
        """Yield tuples until a tier is exhausted.

        Raises:
            ConfigError: When it is, saying after how many.
        """
        rng = random.Random(f"ise-env tuples {self._seed}")
        tiers = list(self._pools.tiers.values())
        weights = [tier.weight for tier in tiers]
        people = _rounds(rng, [persona.weight for persona in self._pools.personas])
        index = 0
        while True:
            tier = _weighted(rng, tiers, weights)
            tried: set[int] = set()
            while True:
                person = next(people)
                drawn = None if person in tried else self._draw(rng, person, tier)
                if drawn is not None:
                    break
                tried.add(person)
                if len(tried) == sum(1 for p in self._pools.personas if p.weight):
                    raise ConfigError(
                        f"n: after {index} intents no further {tier.name} one exists; ask for "
                        f"fewer, add personas or kits, or lower the weight of {tier.name}"
                    )
            yield IntentTuple(index, self._pools.personas[person], tier.name, drawn)
            index += 1

    def _draw(self, rng: random.Random, person: int, tier: Tier) -> tuple[str, ...] | None:
        """Draw a selection that this persona has not had at this tier, in asking order."""
        shapes = dict(self._shapes[tier.name])
        while shapes:
            shape = _weighted(rng, list(shapes), list(shapes.values()))
            strata = list(self._strata[shape].values())
            walk = self._walk(person, tier.name, shape)
            for _ in range(_PATIENCE):
                found = walk.next()
                if found is None:
                    break
                kits = strata[found[0]][found[1]]
                if self._compatible(kits):
                    return self._in_order(rng, kits)
            del shapes[shape]
        return None

    def _walk(self, person: int, tier: Complexity, shape: Shape) -> Walk:
        key = (person, tier, shape)
        if key not in self._walks:
            persona = self._pools.personas[person]
            name = f"{self._seed} {persona.id} {tier} {shape}".encode()
            digest = hashlib.blake2b(name, digest_size=16).digest()
            weights = self._weights_of(persona.family, shape)
            self._walks[key] = Walk(self._sizes[shape], weights, digest)
        return self._walks[key]

    def _weights_of(self, family: str, shape: Shape) -> list[float]:
        """How likely people of a line of work are to ask for each combination of domains."""
        if (family, shape) not in self._weights:
            self._weights[family, shape] = [
                prod(self._weight_of(family, domain) for domain in domains)
                for domains in self._strata[shape]
            ]
        return self._weights[family, shape]

    def _weight_of(self, family: str, domain: str) -> float:
        own = self._pools.domains[domain].weight if domain in self._pools.domains else 1.0
        return own * self._pools.affinities.get((family, domain), 1.0)

    def _strata_of(self, n_domains: int, n_tasks: int) -> dict[tuple[str, ...], Selections]:
        """The selections of each combination of domains."""
        strata = {
            domains: Selections([self._tasks[domain] for domain in domains], n_tasks)
            for domains in combinations(sorted(self._tasks), n_domains)
        }
        return {domains: selections for domains, selections in strata.items() if len(selections)}

    def _compatible(self, kits: tuple[str, ...]) -> bool:
        return all(
            sum(any(fnmatchcase(kit, pattern) for pattern in patterns) for kit in kits) <= 1
            for patterns in self._exclusive
        )

    def _in_order(self, rng: random.Random, kits: tuple[str, ...]) -> tuple[str, ...]:
        """Shuffle, keeping what a rule puts before something else before it."""
        rest = list(kits)
        rng.shuffle(rest)
        ordered: list[str] = []
        while rest:
            ready = (kit for kit in rest if not any(self._precedes(o, kit) for o in rest))
            ordered.append(next(ready, rest[0]))
            rest.remove(ordered[-1])
        return tuple(ordered)

    def _precedes(self, first: str, then: str) -> bool:
        return first != then and any(
            fnmatchcase(first, rule.first) and fnmatchcase(then, rule.then) for rule in self._before
        )

    def _shapes_of(self, tier: Tier) -> dict[tuple[int, int], float]:
        """Weight of each (number of domains, number of tasks) that the kits allow.

        While there are fewer kits than a tier wants, its shapes shrink to what there is.
        """
        sizes = sorted((len(tasks) for tasks in self._tasks.values()), reverse=True)
        shapes: dict[tuple[int, int], float] = defaultdict(float)
        for domains, domains_weight in tier.domains.items():
            for tasks, tasks_weight in tier.tasks.items():
                fewer = min(domains, len(sizes), tasks)
                shape = (fewer, min(tasks, sum(sizes[:fewer])))
                shapes[shape] += domains_weight * tasks_weight
        return {shape: weight for shape, weight in shapes.items() if weight > 0}


def _available(
    kits: Sequence[str], exclude: Sequence[str], programs: Collection[str] | None
) -> dict[str, Kit[Any]]:
    found = {
        kit.name: kit
        for kit in all_kits()
        if any(fnmatchcase(kit.name, pattern) for pattern in kits)
        and not any(fnmatchcase(kit.name, pattern) for pattern in exclude)
        and (programs is None or set(kit.requires) <= set(programs))
    }
    if not found:
        raise ConfigError(
            f"no kit is left: kits {list(kits)}, exclude {list(exclude)}, "
            f"programs {'any' if programs is None else sorted(programs)}"
        )
    return found


def _real(
    drawn: IntentTuple,
    kits: Mapping[str, Kit[Any]],
    seed: int,
    wording: Wording,
    tier: Tier,
    canary: str | None,
) -> Intent:
    """Draw the parameters of a tuple's kits and put it into words."""
    own_seed = int.from_bytes(
        hashlib.blake2b(f"{seed} {drawn.index}".encode(), digest_size=6).digest(), "big"
    )
    persona = drawn.persona.persona()
    taken: set[str] = set()
    generators = (
        np.random.default_rng((own_seed, number)) for number in range(1, 1 + len(drawn.kits))
    )
    params = [
        _draw_apart(kits[name], rng, persona, drawn.complexity, taken)
        for name, rng in zip(drawn.kits, generators, strict=True)
    ]
    goals = [kits[name].subgoals(own) for name, own in zip(drawn.kits, params, strict=True)]
    steps = _steps([len(own) for own in goals], tier, np.random.default_rng((own_seed, 0)))
    tasks = [
        Task(
            id=f"t{number}",
            domain=_domain(name),
            title=kits[name].title,
            description=kits[name].description,
            kit=name,
            version=kits[name].version,
            params=own.model_dump(mode="json"),
            steps=asked,
        )
        for number, (name, own, asked) in enumerate(zip(drawn.kits, params, steps, strict=True), 1)
    ]
    parts = [(name, own[:asked]) for name, own, asked in zip(drawn.kits, goals, steps, strict=True)]
    draft = Draft(persona, drawn.persona.family, drawn.complexity, tuple(parts), own_seed)
    utterance = wording.realise(draft)
    identity = hashlib.sha256(f"{seed} {drawn.index} {utterance}".encode()).hexdigest()
    return Intent(
        id=f"intent_{identity[:12]}",
        utterance=utterance,
        persona=persona,
        domains=drawn.domains,
        tasks=tuple(tasks),
        complexity=drawn.complexity,
        realiser=wording.record,
        source="sampled",
        seed=own_seed,
        canary=canary,
    )


def _steps(available: Sequence[int], tier: Tier, rng: np.random.Generator) -> list[int]:
    """How many sub-goals of each task are asked for: one, and some further ones by tier."""
    weights = np.array(list(tier.further_steps.values()), dtype=float)
    further = int(rng.choice(list(tier.further_steps), p=weights / weights.sum()))
    open_steps = [task for task, count in enumerate(available) for _ in range(count - 1)]
    chosen = rng.permutation(open_steps)[:further]
    return [1 + int((chosen == task).sum()) for task in range(len(available))]


def _draw_apart(
    kit: Kit[Any],
    rng: np.random.Generator,
    persona: Persona,
    complexity: Complexity,
    taken: set[str],
) -> Any:
    """Draw parameters whose folder and people's names are not taken, and take them."""
    for _ in range(_REDRAWS):
        params = kit.draw(rng, persona, complexity)
        own = {params.folder}
        if kit.people:
            services = kit.seed(params).services
            own |= {person.name for s in services for person in getattr(s, "people", ())}
        if not own & taken:
            taken |= own
            return params
    raise ConfigError(
        f"kit {kit.name}: {_REDRAWS} draws all used a folder or a person's name of another task "
        f"({', '.join(sorted(own & taken))}); forbid the combination with an exclusive rule in "
        "compatibility.jsonl"
    )


def _domain(kit: str) -> str:
    return kit.partition("/")[0]


def _rounds(rng: random.Random, weights: Sequence[float]) -> Iterator[int]:
    """Yield indices for ever; in a round each comes up with probability weight / heaviest."""
    heaviest = max(weights)
    while True:
        order = [i for i, weight in enumerate(weights) if rng.random() * heaviest < weight]
        rng.shuffle(order)
        yield from order


def _weighted(rng: random.Random, items: Sequence[T], weights: Sequence[float]) -> T:
    ends = list(accumulate(weights))
    return items[bisect(ends, rng.random() * ends[-1], 0, len(items) - 1)]
