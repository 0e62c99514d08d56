"""Pools: the data that intents are drawn from, validated when it is loaded.

Every pool is a JSON Lines file in one directory. A directory of the user's own may hold some
of them: a file `NAME.jsonl` there replaces the built-in one, `NAME.more.jsonl` adds to it.

==================  ==================================================================
file                one line is
==================  ==================================================================
personas.jsonl      a `PersonaEntry`: who may ask
styles.jsonl        a `Style`: how they write, with sample lines
domains.jsonl       a `Domain`: what the tasks of a domain have in common
tiers.jsonl         a `Tier`: prior and draw sizes of simple, medium, complex
compatibility.jsonl a `Rule`: which draws make sense together
==================  ==================================================================

The tasks themselves are the kits of `ise_env.tasks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ise_env.errors import ConfigError
from ise_env.intents.jsonl import Located, Unique, explain, read_jsonl, validated
from ise_env.intents.model import Complexity, Persona

BUILT_IN = Path(__file__).parent
"""The pools that come with the package."""

Level = Literal["Trainee", "Junior", "Mid-level", "Senior", "Lead", "Executive"]

Family = Literal[
    "software",
    "data",
    "operations",
    "office",
    "commerce",
    "care",
    "science",
    "creative",
    "teaching",
    "law",
    "trades",
    "public",
]
"""Lines of work that ask for similar things of a computer; groups the roles of all industries."""

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonaEntry(Persona):
    """A persona of the pool, with what only the sampler needs."""

    experience_level: Level
    family: Family
    weight: Weight = 1.0

    def persona(self) -> Persona:
        """The persona as an intent records it."""
        return Persona(**self.model_dump(exclude={"family", "weight"}))


class Style(_Line):
    """A communication style.

    Attributes:
        name: As personas refer to it; a phrase that a model understands without the rest.
        samples: Lines that a person of this style might write.
        register: Choice of words.
        length: How much is said around the request itself.
        layout: `list` numbers the steps when there are several.
        traits: Tags of the grammar's fragments that suit this style.
        levels: Experience levels at which people write like this; all when empty.
        families: Lines of work in which they do; all when empty.
        native: False where it is the style of somebody writing a foreign language.
    """

    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    samples: tuple[str, ...] = Field(min_length=2)
    register_: Literal["casual", "plain", "formal"] = Field(alias="register")
    length: Literal["short", "medium", "long"]
    layout: Literal["prose", "list"] = "prose"
    traits: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    families: tuple[Family, ...] = ()
    native: bool = True


class Domain(_Line):
    """A domain: a group of tasks."""

    name: str = Field(pattern=r"^[a-z]+(-[a-z]+)*$")
    description: str = Field(min_length=1)
    weight: Weight = 1.0


class Tier(_Line):
    """Prior and draw sizes of one complexity.

    Attributes:
        weight: Prior, relative to the other tiers.
        domains: Weight of each number of domains.
        tasks: Weight of each number of tasks.
        further_steps: Weight of each number of sub-goals beyond the first one of each task, as
            far as the drawn kits have any.
    """

    name: Complexity
    weight: Weight
    domains: dict[Annotated[int, Field(ge=1)], Weight] = Field(min_length=1)
    tasks: dict[Annotated[int, Field(ge=1)], Weight] = Field(min_length=1)
    further_steps: dict[Annotated[int, Field(ge=0)], Weight] = Field(min_length=1)


class Exclusive(_Line):
    """At most one of these tasks in an intent (kit names, `*` allowed)."""

    rule: Literal["exclusive"]
    tasks: tuple[str, ...] = Field(min_length=1)
    why: str = Field(min_length=1)


class Affinity(_Line):
    """How likely people of one line of work are to ask for the tasks of a domain."""

    rule: Literal["affinity"]
    family: Family
    domains: dict[str, Weight]
    why: str = ""


class Before(_Line):
    """Where both are drawn, `first` is asked for before `then` (kit names, `*` allowed)."""

    rule: Literal["before"]
    first: str
    then: str
    why: str = Field(min_length=1)


Rule = Annotated[Exclusive | Affinity | Before, Field(discriminator="rule")]
_RULE: TypeAdapter[Exclusive | Affinity | Before] = TypeAdapter(Rule)

L = TypeVar("L", PersonaEntry, Style, Domain, Tier)


@dataclass(frozen=True)
class Pools:
    """All pools, cross-checked."""

    personas: tuple[PersonaEntry, ...]
    styles: Mapping[str, Style]
    domains: Mapping[str, Domain]
    tiers: Mapping[Complexity, Tier]
    rules: tuple[Exclusive | Affinity | Before, ...]

    @cached_property
    def affinities(self) -> dict[tuple[str, str], float]:
        """Weight of (family, domain); a pair without a rule weighs 1."""
        return {
            (rule.family, domain): weight
            for rule in self.rules
            if isinstance(rule, Affinity)
            for domain, weight in rule.domains.items()
        }

    @cached_property
    def descriptions(self) -> dict[str, str]:
        """Description of each domain by its name."""
        return {name: domain.description for name, domain in self.domains.items()}


def load_pools(directory: str | Path | None = None) -> Pools:
    """Load and validate the pools.

    Args:
        directory: The user's own files, which replace or extend the built-in ones.

    Raises:
        ConfigError: Naming file, line and field of the first thing that is wrong.
    """
    if directory is None:
        return _built_in()
    directory = Path(directory)
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory of pools")
    _refuse_strangers(directory)
    return _load(directory)


@lru_cache(maxsize=1)
def _built_in() -> Pools:
    return _load(None)


_FILES = ("personas", "styles", "domains", "tiers", "compatibility")


def _refuse_strangers(directory: Path) -> None:
    known = {f"{name}{end}" for name in _FILES for end in (".jsonl", ".more.jsonl")}
    for path in sorted(directory.glob("*.jsonl")):
        if path.name not in known:
            raise ConfigError(f"{path}: not the name of a pool; expected {', '.join(_FILES)}.jsonl")


def _load(directory: Path | None) -> Pools:
    styles = {style.name: style for style, _ in _pool(Style, "styles", "name", directory)}
    domains = {domain.name: domain for domain, _ in _pool(Domain, "domains", "name", directory)}
    tiers = {tier.name: tier for tier, _ in _pool(Tier, "tiers", "name", directory)}
    personas = list(_pool(PersonaEntry, "personas", "id", directory))
    for persona, record in personas:
        if persona.communication_style not in styles:
            raise ConfigError(
                f"{record.where}: field communication_style: "
                f"{persona.communication_style!r} is not in styles.jsonl; add it there"
            )
    for name, weights in {
        "personas": [persona.weight for persona, _ in personas],
        "domains": [domain.weight for domain in domains.values()],
        "tiers": [tier.weight for tier in tiers.values()],
        **{f"tiers ({t.name}: domains)": list(t.domains.values()) for t in tiers.values()},
        **{f"tiers ({t.name}: tasks)": list(t.tasks.values()) for t in tiers.values()},
        **{
            f"tiers ({t.name}: further_steps)": list(t.further_steps.values())
            for t in tiers.values()
        },
    }.items():
        if not any(weights):
            raise ConfigError(f"pool {name}: every weight is 0; nothing could be drawn")
    rules = tuple(_rules(directory, frozenset(domains)))
    return Pools(tuple(persona for persona, _ in personas), styles, domains, tiers, rules)


def _records(name: str, directory: Path | None) -> Iterator[Located]:
    own = directory / f"{name}.jsonl" if directory else None
    more = directory / f"{name}.more.jsonl" if directory else None
    yield from read_jsonl(own if own and own.exists() else BUILT_IN / f"{name}.jsonl")
    if more and more.exists():
        yield from read_jsonl(more)


def _pool(
    model: type[L], name: str, key: str, directory: Path | None
) -> Iterator[tuple[L, Located]]:
    keys = Unique(key)
    empty = True
    for record in _records(name, directory):
        empty = False
        entry = validated(model, record.value, record.where)
        keys.add(str(getattr(entry, key)), record.where)
        yield entry, record
    if empty:
        where = directory if directory else BUILT_IN
        raise ConfigError(f"{where / name}.jsonl: the pool is empty; it needs at least one line")


def _rules(
    directory: Path | None, domains: frozenset[str]
) -> Iterator[Exclusive | Affinity | Before]:
    for record in _records("compatibility", directory):
        try:
            rule = _RULE.validate_python(record.value)
        except ValidationError as error:
            raise ConfigError(f"{record.where}: {explain(error)}") from error
        if isinstance(rule, Affinity) and (unknown := rule.domains.keys() - domains):
            raise ConfigError(
                f"{record.where}: field domains: {sorted(unknown)[0]!r} is not in domains.jsonl"
            )
        yield rule


FAMILIES: tuple[str, ...] = get_args(Family)
LEVELS: tuple[str, ...] = get_args(Level)
