"""The pools: published sizes, plausible combinations, and how bad files are refused."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ise_env.errors import ConfigError
from ise_env.intents.pools import LEVELS, load_pools

SOURCE = Path(__file__).parents[2] / "scripts" / "personas"
PERSONA: dict[str, Any] = {
    "id": "a",
    "name": "Ada Byron",
    "role": "archivist",
    "industry": "Museums",
    "experience_level": "Senior",
    "communication_style": "dry understatement",
    "family": "public",
}


def _industries() -> list[dict[str, Any]]:
    return list(tomllib.loads((SOURCE / "industries.toml").read_text("utf-8"))["industry"])


def test_sizes_are_at_least_the_published_ones() -> None:
    pools = load_pools()
    assert len(pools.personas) >= 965
    assert len({persona.industry for persona in pools.personas}) >= 47
    assert len({persona.role for persona in pools.personas}) >= 542
    assert {persona.experience_level for persona in pools.personas} == set(LEVELS)
    assert len({persona.communication_style for persona in pools.personas}) >= 120
    assert len(pools.domains) == 10
    assert len({persona.name for persona in pools.personas}) == len(pools.personas)


def test_every_persona_is_plausible() -> None:
    """Role, level, place and field of expertise go together; so do level, work and style."""
    countries = tomllib.loads((SOURCE / "countries.toml").read_text("utf-8"))["country"]
    ports = {city for country in countries for city in country.get("ports", ())}
    roles = {}
    places = {}
    inland = {}
    limits = {}
    for industry in _industries():
        places[industry["name"]] = industry["places"]
        inland[industry["name"]] = industry.get("inland", {})
        for line in industry["roles"]:
            role, family, letters, expertise, *only = (part.strip() for part in line.split("|"))
            limits[role] = only[0].split(";") if only else [""]
            levels = {level for level in LEVELS if level[0] in letters}
            roles[industry["name"], role] = family, levels, set(expertise.split("; "))
    pools = load_pools()
    for persona in pools.personas:
        family, levels, expertise = roles[persona.industry, persona.role]
        assert persona.family == family
        assert persona.experience_level in levels
        assert set(persona.expertise) == expertise
        place, _, city = persona.work_context.rpartition(" in ")
        by_sea = {
            there: here for here, there in inland[persona.industry].items() if city not in ports
        }
        assert (place in by_sea) or (city in ports or place not in inland[persona.industry])
        place = by_sea.get(place, place)
        assert place in places[persona.industry]
        assert any(word in place for word in limits[persona.role])
        assert city
        style = pools.styles[persona.communication_style]
        assert persona.experience_level in (style.levels or LEVELS)
        assert persona.family in (style.families or (persona.family,))


def test_styles_show_how_they_sound() -> None:
    styles = load_pools().styles.values()
    lines = [line for style in styles for line in style.samples]
    assert all(2 <= len(style.samples) <= 3 for style in styles)
    assert len(set(lines)) == len(lines)


def _pools(tmp_path: Path, name: str, *lines: dict[str, Any] | str) -> Path:
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    (tmp_path / name).write_text(text)
    return tmp_path


def test_own_files_replace_or_extend(tmp_path: Path) -> None:
    more = load_pools(_pools(tmp_path, "personas.more.jsonl", PERSONA))
    assert len(more.personas) == len(load_pools().personas) + 1
    own = load_pools(_pools(tmp_path, "personas.jsonl", {**PERSONA, "id": "b"}))
    assert [persona.id for persona in own.personas] == ["b", "a"]


@pytest.mark.parametrize(
    ("name", "lines", "says"),
    [
        ("personas.jsonl", [], "personas.jsonl: the pool is empty"),
        ("personas.jsonl", [{**PERSONA, "age": 3}], "personas.jsonl:1: field age: unknown field"),
        ("personas.jsonl", [PERSONA, PERSONA], "personas.jsonl:2: field id: 'a' is already used"),
        ("personas.jsonl", [{**PERSONA, "weight": -1}], "personas.jsonl:1: field weight:"),
        ("personas.jsonl", [{**PERSONA, "weight": 0}], "pool personas: every weight is 0"),
        (
            "personas.jsonl",
            [{**PERSONA, "communication_style": "loud"}],
            "personas.jsonl:1: field communication_style: 'loud' is not in styles.jsonl",
        ),
        ("personas.jsonl", [{"id": "a"}], "personas.jsonl:1: field name: missing; add it"),
        ("domains.jsonl", ["{"], "domains.jsonl:1: not JSON"),
        ("tiers.jsonl", [{"name": "hard", "weight": 1}], "tiers.jsonl:1: field name:"),
        (
            "compatibility.jsonl",
            [{"rule": "affinity", "family": "law", "domains": {"knitting": 1}}],
            "compatibility.jsonl:1: field domains: 'knitting' is not in domains.jsonl",
        ),
        ("people.jsonl", [PERSONA], "people.jsonl: not the name of a pool"),
    ],
)
def test_bad_pool_is_refused_in_one_line(
    tmp_path: Path, name: str, lines: list[Any], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pools(_pools(tmp_path, name, *lines))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
