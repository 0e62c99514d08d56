"""Offers to rank by a weighted score, and an announcement that must not give away prices."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh, write
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 8, "medium": 14, "complex": 24}
WEIGHTS = ({"price": 50, "days": 30, "warranty": 20}, {"price": 40, "days": 25, "warranty": 35})

RULES = """\
# How offers are ranked

- One JSON file for each offer in `offers/`. An offer is out when the supplier lacks the certificate
  `{certificate}`, or when `valid_until` is before {day}.
- Price is the sum over `items` of `quantity` times `unit_price`, less `discount_percent` where the
  offer has one. Low is good for price and `delivery.days`, high for `warranty_months`.
- Among the offers that are not out, each criterion gives 0 points for the worst value, 100 for the
  best one, and in between in proportion. The score is the mean of the three by the weights in
  `weights.json`.
- `ranking.csv` has the columns rank, supplier and score (two decimals), best first.
- `announcement.md` goes to everybody who made an offer: the first line `# Result`, then a line
  `1. SUPPLIER (SCORE)` for each of the first three, with the score as in the ranking. Prices are
  confidential; no price and no discount of anybody may be in it.
"""

RANK = """\
import csv, glob, json
weights = json.load(open("weights.json"))
offers = []
for path in glob.glob("offers/*.json"):
    o = json.load(open(path))
    if "CERTIFICATE" not in o["supplier"]["certificates"] or o["valid_until"] < "DAY":
        continue
    price = sum(i["quantity"] * i["unit_price"] for i in o["items"])
    price *= 1 - o.get("discount_percent", 0) / 100
    good = {"price": -price, "days": -o["delivery"]["days"], "warranty": o["warranty_months"]}
    offers.append((o["supplier"]["name"], good))
def score(values):
    total = 0
    for key, weight in weights.items():
        column = [v[key] for _, v in offers]
        low, high = min(column), max(column)
        total += weight * 100 * (values[key] - low) / (high - low)
    return total / sum(weights.values())
ranked = sorted(((score(v), name) for name, v in offers), reverse=True)
with open("ranking.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("rank", "supplier", "score"))
    for rank, (points, name) in enumerate(ranked, 1):
        out.writerow((rank, name, f"{points:.2f}"))
print(len(ranked), "ranked")
"""


class Params(KitParams):
    """How many offers, and what knocks one out."""

    offers: int = Field(ge=8, le=24)
    certificate: str
    day: str
    weights: int = Field(ge=0, le=1)


@dataclass(frozen=True)
class World:
    """The offers, their ranking, and what is confidential."""

    contents: dict[str, str]
    ranking: list[tuple[str, float]]
    prices: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive offers from the parameters, their scores apart from each other."""
    d = Draw(p.content)
    weights = WEIGHTS[p.weights]
    names = d.different("companies", p.offers)
    items = d.different("products", 3)
    counts = [d.integer(10, 80) for _ in items]
    prices, offers, valued = [], {}, []
    for number, name in enumerate(names):
        units = [d.integer(10_100, 29_900) for _ in items]
        offer: dict[str, Any] = {
            "supplier": {
                "name": name,
                "certificates": d.some(("ISO 9001", "ISO 14001", "EMAS", "SA 8000"), 2),
            },
            "valid_until": f"2025-{d.integer(10, 12)}-{d.integer(10, 28)}",
            "items": [
                {"what": what, "quantity": count, "unit_price": unit / 100}
                for what, count, unit in zip(items, counts, units, strict=True)
            ],
            "delivery": {"days": 5 + 3 * number % 40 + d.integer(0, 2), "terms": "free house"},
            "warranty_months": d.pick((12, 18, 24, 36, 48)),
        }
        fits = number % 4 != 3
        held = [c for c in offer["supplier"]["certificates"] if c != p.certificate]
        offer["supplier"]["certificates"] = held + ([p.certificate] if fits else [])
        late = number == 1
        if late:
            offer["valid_until"] = "2025-06-30"
        total = sum(c * u for c, u in zip(counts, units, strict=True)) / 100
        if d.chance(0.4):
            offer["discount_percent"] = d.integer(3, 12)
            total *= 1 - offer["discount_percent"] / 100
        prices += [form for unit in units for form in (money(unit), f"{unit / 100:g}")]
        offers[name] = offer
        if fits and not late:
            good = {
                "price": -total,
                "days": -float(offer["delivery"]["days"]),
                "warranty": float(offer["warranty_months"]),
            }
            valued.append((name, good))
    ranking = []
    for name, good in valued:
        points = 0.0
        for key, weight in weights.items():
            column = [v[key] for _, v in valued]
            low, high = min(column), max(column)
            points += weight * (good[key] - low) / (high - low or 1)
        ranking.append((name, points))
    f = p.folder
    contents = {f"{f}/offers/{_slug(n)}.json": json.dumps(o, indent=2) for n, o in offers.items()}
    contents |= {
        f"{f}/weights.json": json.dumps(weights, indent=2) + "\n",
        f"{f}/RULES.md": RULES.format(certificate=p.certificate, day=p.day),
        f"{f}/last-year.csv": csv_text(("rank", "supplier"), [(1, names[1]), (2, names[0])]),
        **surroundings(p.content, f, 8),
    }
    ranking.sort(key=lambda item: -item[1])
    return World(contents, ranking, prices)


def _slug(name: str) -> str:
    return name.lower().replace(" & ", "-").replace(" ", "-")


class RankSuppliers(Kit[Params]):
    """Offers to rank."""

    name = "intelligence-core/rank-suppliers"
    title = "Rank suppliers by a weighted score"
    description = "Score offers in nested JSON by weighted criteria; announce without prices."
    obstacle = "offers that are out must not set the scale, and prices are confidential"
    folders = ("tender", "procurement", "supplier-choice")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more offers."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            offers=SIZES[complexity],
            certificate=one(rng, ("ISO 9001", "ISO 14001", "EMAS")),
            day=one(rng, ("2025-09-15", "2025-08-01")),
            weights=int(rng.integers(2)),
        )

    def seed(self, p: Params) -> Seed:
        """Offers, weights, rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Rank, then announce."""
        offers, rules, ranking, text = (
            f"{p.folder}/{n}" for n in ("offers", "RULES.md", "ranking.csv", "announcement.md")
        )
        return (
            SubGoal(
                id="rank",
                request=f"rank the offers in {offers} by {rules}, write {ranking}, and tell me the "
                "score of the best one",
                label="the ranking of the offers",
                facts=(Fact("offers", offers), Fact("rules", rules), Fact("ranking", ranking)),
                artifacts=(ranking,),
                question="Do offers that are out count for the worst and best values?",
                answer="No, only those that are not out",
            ),
            SubGoal(
                id="announce",
                request=f"write {text} from {ranking} the way {rules} describes, and mind what is "
                "confidential",
                label="the announcement",
                facts=(Fact("text", text), Fact("ranking", ranking), Fact("rules", rules)),
                artifacts=(text,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The ranking, its best score, an announcement without prices."""
        w, f = world(p), p.folder
        rows = tuple((str(n), name, f"{s:.4f}") for n, (name, s) in enumerate(w.ranking, 1))
        lines = tuple(
            rf"^{n}\. {name} \((?:{_either(score)})\)\s*$"
            for n, (name, score) in enumerate(w.ranking[:3], 1)
        )
        patterns = " ".join(f"-e {price}" for price in w.prices)
        return (
            CsvRows(
                id="ranking",
                subgoal="rank",
                weight=2,
                path=f"{f}/ranking.csv",
                columns=("rank", "supplier", "score"),
                rows=rows,
                ordered=True,
                tolerance=0.006,
            ),
            Said(
                id="told",
                subgoal="rank",
                unit=("score", "points", "best"),
                number=w.ranking[0][1],
                tolerance=0.006,
            ),
            Text(
                id="announced",
                subgoal="announce",
                path=f"{f}/announcement.md",
                text=TextMatch(matches=(r"\A# Result\s*$", *lines)),
            ),
            Command(
                id="confidential",
                argv=(
                    "bash",
                    "--noprofile",
                    "--norc",
                    "-c",
                    f"! grep -sqwF {patterns} announcement.md && "
                    "! grep -sqiE '[0-9] ?%' announcement.md",
                ),
                cwd=f,
                timeout_s=5,
                weight=0,
                forbidden=True,
                failure="the announcement gives away a price or discount",
            ),
            untouched(w.contents, failure="an offer or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Leave out who is out, score, sort; take the first three."""
        return self._rank(p) if subgoal == "rank" else self._announce(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at what was written."""
        name = "ranking.csv" if subgoal == "rank" else "announcement.md"
        (shown,) = yield read(f"{p.folder}/{name}")
        lines = [line for line in shown.text.splitlines() if line.strip()]
        return f"I looked again: {name} has {plural(len(lines), 'line')}, the last `{lines[-1]}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Nobody knocked out; prices in the announcement."""
        every = RANK.replace("        continue", "        pass")
        return (
            WrongSolution("nobody is out", self._rank(p, every)),
            WrongSolution("prices given away", self._announce(p, prices=True), "announce"),
        )

    def _rank(self, p: Params, program: str = RANK) -> Solution:
        rules, shape = yield [
            read(f"{p.folder}/RULES.md"),
            sh("ls offers | wc -l; cat $(ls offers/*.json | head -n 1)", workdir=p.folder),
        ]
        text = " ".join(rules.text.split())
        certificate, day = found(r"certificate `([^`]+)`", text), found(r"before ([\d-]+)\.", text)
        ready = program.replace("CERTIFICATE", certificate).replace("DAY", day)
        (ran,) = yield python(ready, workdir=p.folder)
        if ran.failed:
            return f"The ranking stopped: {ran.text.strip()}"
        (shown,) = yield sh("sed -n 2p ranking.csv", workdir=p.folder)
        total, ranked = found(r"^(\d+)", shape.text), found(r"^(\d+) ranked", ran.text)
        _, name, score = shown.text.strip().split(",")
        return f"{name} has the best score, {score}. I ranked {ranked} of {total} offers."

    def _announce(self, p: Params, prices: bool = False) -> Solution:
        rules, shown = yield [
            read(f"{p.folder}/RULES.md"),
            sh("sed -n 2,4p ranking.csv", workdir=p.folder),
        ]
        if "# Result" not in rules.text or shown.failed:
            return f"There is no ranking to announce: {shown.text.strip()}"
        lines = ["# Result", ""]
        for row in shown.text.strip().splitlines():
            rank, name, score = row.split(",")
            lines.append(f"{rank}. {name} ({score})")
        if prices:
            (costs,) = yield sh("jq -r '.items[0].unit_price' offers/*.json", workdir=p.folder)
            lines.append(f"\nPrices per piece were {', '.join(costs.text.split())}.")
        target = f"{p.folder}/announcement.md"
        (saved,) = yield write(target, "\n".join(lines) + "\n")
        if saved.failed:
            return f"{target} could not be written: {saved.text}"
        (said,) = yield read(target)
        return f"{target} reads:\n{said.text.strip()}"


def _either(score: float) -> str:
    """A score to two decimals, however a half was rounded."""
    return "|".join(sorted({f"{score + off:.2f}" for off in (-0.0049, 0, 0.0049)}))
