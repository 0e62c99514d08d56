"""Build the pool of personas from industries, places, roles and styles.

Names come from Faker, in the language of the country that the place lies in, so that the
combination is plausible. Needs the `pools` extra; run it after editing `scripts/personas/`:

    python scripts/build_personas.py
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faker import Faker

HERE = Path(__file__).parent / "personas"
POOLS = Path(__file__).parents[1] / "ise_env" / "intents" / "pools"
LEVELS = {
    "T": "Trainee",
    "J": "Junior",
    "M": "Mid-level",
    "S": "Senior",
    "L": "Lead",
    "E": "Executive",
}


def main() -> None:
    """Write personas.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=POOLS / "personas.jsonl")
    arguments = parser.parse_args()
    personas = list(build(arguments.seed))
    text = "".join(json.dumps(persona, ensure_ascii=False) + "\n" for persona in personas)
    arguments.out.write_text(text, encoding="utf-8")
    industries = {persona["industry"] for persona in personas}
    roles = {persona["role"] for persona in personas}
    styles = {persona["communication_style"] for persona in personas}
    print(
        f"{len(personas)} personas, {len(industries)} industries, {len(roles)} roles, "
        f"{len(styles)} styles -> {arguments.out}"
    )


def build(seed: int) -> Iterator[dict[str, Any]]:
    """Yield one persona for every role and each of up to two of its levels."""
    rng = random.Random(seed)
    industries = tomllib.loads((HERE / "industries.toml").read_text("utf-8"))["industry"]
    countries = tomllib.loads((HERE / "countries.toml").read_text("utf-8"))["country"]
    fakers = {country["locale"]: Faker(country["locale"]) for country in countries}
    for locale, faker in fakers.items():
        faker.seed_instance(f"{seed} {locale}")
    styles = Deck(rng, _styles())
    homes = Deck(rng, countries)
    used: set[str] = set()
    for industry in industries:
        places = Deck(rng, industry["places"])
        for line in industry["roles"]:
            role, family, letters, expertise, *only = (part.strip() for part in line.split("|"))
            fits = _fits(only)
            for letter in rng.sample(letters, min(2, len(letters))):
                country = homes.next()
                name = _name(fakers[country["locale"]], used)
                level = LEVELS[letter]
                style = styles.next(_suits(level, family, country))["name"]
                place, city = places.next(fits), rng.choice(country["cities"])
                if city not in country.get("ports", ()):
                    place = industry.get("inland", {}).get(place, place)
                yield {
                    "id": _slug(f"{name} {role}"),
                    "name": name,
                    "role": role,
                    "industry": industry["name"],
                    "expertise": [part.strip() for part in expertise.split(";")],
                    "experience_level": level,
                    "communication_style": style,
                    "work_context": f"{place} in {city}",
                    "family": family,
                }


class Deck:
    """Deals items evenly: each once, shuffled, before any comes again."""

    def __init__(self, rng: random.Random, items: list[Any]) -> None:
        self._rng = rng
        self._items = items
        self._left: list[Any] = []

    def next(self, suits: Any = lambda _: True) -> Any:
        """The next item that suits."""
        for _ in range(2):
            for item in self._left:
                if suits(item):
                    self._left.remove(item)
                    return item
            self._left += self._rng.sample(self._items, len(self._items))
        raise ValueError("no item suits")


def _styles() -> list[dict[str, Any]]:
    lines = (POOLS / "styles.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


def _fits(only: list[str]) -> Callable[[str], bool]:
    words = [word.strip() for part in only for word in part.split(";")]
    return lambda place: not words or any(word in place for word in words)


def _suits(level: str, family: str, country: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    def suits(style: dict[str, Any]) -> bool:
        return (
            level in style.get("levels", LEVELS.values())
            and family in style.get("families", (family,))
            and (style.get("native", True) or not country["locale"].startswith("en_"))
        )

    return suits


def _name(faker: Faker, used: set[str]) -> str:
    for _ in range(1000):
        name = f"{faker.first_name()} {faker.last_name()}"
        if name not in used and name.count(" ") <= 2:
            used.add(name)
            return name
    raise ValueError("this locale has too few names; take it out of countries.toml")


def _slug(text: str) -> str:
    plain = text.translate(str.maketrans({"ł": "l", "ø": "o", "ı": "i", "đ": "d", "ß": "ss"}))
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


if __name__ == "__main__":
    main()
