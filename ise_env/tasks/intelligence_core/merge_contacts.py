"""Contacts from three sources that know the same people under uneven addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 12, "medium": 24, "complex": 38}
SOURCES = ("desk", "till", "newsletter")

RULES = """\
# One list of contacts

- Two rows are the same person when their addresses are equal after this: no blanks around it, lower
  case, and no `+something` before the `@`. The list has the address in that form.
- Each field (name, phone, town) comes from the first source that has it: `{first}.csv`, then
  `{second}.csv`, then `{third}.csv`. Within a source the lower row is the newer one and goes first.
  An empty cell, or one of nothing but blanks, is not a value.
- Whoever is in `objections.txt` must not be on the list, nor on anything made from it: they
  objected to our keeping their address. The file was typed by hand, so bring those addresses into
  the same form.
- `contacts.csv` has the columns email, name, phone and town, in any order of rows; what no source
  knows stays empty.
- An invitation list has a line `NAME <ADDRESS>` for each contact, sorted by address.
"""

MERGE = """\
import csv, re
def plain(address):
    local, _, host = address.strip().lower().partition("@")
    return re.sub(r"[+].*", "", local) + "@" + host
objected = {plain(line) for line in open("objections.txt") if line.strip()}
people = {}
for source in SOURCES:
    for row in reversed(list(csv.DictReader(open(source + ".csv")))):
        person = people.setdefault(plain(row["email"]), {})
        for field in ("name", "phone", "town"):
            if row[field].strip():
                person.setdefault(field, row[field].strip())
with open("contacts.csv", "w", newline="") as file:
    out = csv.DictWriter(file, ("email", "name", "phone", "town"), restval="", lineterminator="\\n")
    out.writeheader()
    for email in sorted(people):
        if email not in objected:
            out.writerow({"email": email, **people[email]})
print(len(people), "people,", len(objected & set(people)), "objected")
"""

INVITE = """\
import csv
rows = [r for r in csv.DictReader(open("contacts.csv")) if r["town"] == "TOWN"]
with open("TARGET", "w") as file:
    for r in sorted(rows, key=lambda r: r["email"]):
        file.write(f"{r['name']} <{r['email']}>\\n")
"""


class Params(KitParams):
    """How many people, which source comes first, which town is invited."""

    people: int = Field(ge=12, le=38)
    order: tuple[str, str, str]
    town: str


@dataclass(frozen=True)
class World:
    """The sources, the list they make, and who must not be on it."""

    contents: dict[str, str]
    merged: list[tuple[str, str, str, str]]
    objected: list[str]
    invited: list[str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the sources from the parameters."""
    d = Draw(p.content)
    others = [town for town in d.different("towns", 5) if town != p.town][:3]
    rows: dict[str, list[tuple[str, str, str, str]]] = {source: [] for source in p.order}
    merged, objected, invited = [], [], []
    for number, name in enumerate(d.people(p.people)):
        first, last = name.lower().split(" ")
        email = f"{d.pick((first[0] + '.', first + '.', ''))}{last}@{d.pick(HOSTS)}"
        known: dict[str, str] = {}
        seen = d.some(p.order, d.integer(1, 3))
        sources = [s for s in p.order if s in seen] + ([p.order[0]] if number % 7 == 2 else [])
        town = p.town if number % 3 == 0 else d.pick(others)
        for place, source in enumerate(sorted(sources, key=p.order.index)):
            row = {
                "name": name if d.chance(0.85) or place == 0 else name.split(" ")[0],
                "phone": f"0{d.integer(100, 999)} {d.integer(10000, 99999)}",
                "town": town if place == 0 or d.chance(0.7) else d.pick(others),
            }
            for field in ("phone", "town"):
                if d.chance(0.3):
                    row[field] = d.pick(("", "", " "))
            for field, value in row.items():
                if value.strip():
                    known.setdefault(field, value)
            # In front of what is there: the newer row of a source stands further down.
            rows[source].insert(0, (_typed(d, email), row["name"], row["phone"], row["town"]))
        if number % 8 == 3:
            objected.append(email)
            continue
        merged.append((email, known["name"], known.get("phone", ""), known.get("town", "")))
        if known.get("town") == p.town:
            invited.append(f"{known['name']} <{email}>")
    f = p.folder
    first_, second, third = p.order
    contents = {
        f"{f}/{source}.csv": csv_text(("email", "name", "phone", "town"), rows[source])
        for source in p.order
    }
    contents |= {
        f"{f}/objections.txt": "".join(f"{_typed(d, email)}\n" for email in d.shuffled(objected)),
        f"{f}/RULES.md": RULES.format(first=first_, second=second, third=third),
        **surroundings(p.content, f),
    }
    invited.sort(key=lambda line: line.split("<")[1])
    return World(contents, merged, objected, invited)


HOSTS = ("post.example", "mail.example", "quick.example")


def _typed(d: Draw, email: str) -> str:
    local, host = email.split("@")
    forms = (email, email.title(), f" {email}", f"{local}+shop@{host}", f"{local}@{host.upper()}")
    return d.pick(forms)


class MergeContacts(Kit[Params]):
    """Contacts to merge."""

    name = "intelligence-core/merge-contacts"
    title = "Merge contacts from three sources"
    description = "One list of people by address, fields by precedence, without who objected."
    obstacle = "the same address typed in many ways, also in the list of who must stay out"
    folders = ("contact-sources", "guest-list", "address-book")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more people."""
        d = Draw(content_seed(rng))
        first, second, third = d.shuffled(SOURCES)
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            people=SIZES[complexity],
            order=(first, second, third),
            town=d.word("towns"),
        )

    def seed(self, p: Params) -> Seed:
        """Three sources, the objections, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The list, then invitations from it."""
        rules, contacts, target = (
            f"{p.folder}/{n}" for n in ("RULES.md", "contacts.csv", _target(p))
        )
        sources = ", ".join(f"{name}.csv" for name in sorted(SOURCES))
        return (
            SubGoal(
                id="merge",
                request=f"merge {sources} in {p.folder} into one list {contacts} by the rules in "
                f"{rules}, and tell me how many contacts it has",
                label="the merged contacts",
                facts=(
                    Fact("sources", sources),
                    Fact("folder", p.folder),
                    Fact("contacts", contacts),
                    Fact("rules", rules),
                ),
                artifacts=(contacts,),
                question="Which source wins when two disagree?",
                answer=f"{p.order[0]}.csv, then {p.order[1]}.csv, field by field",
            ),
            SubGoal(
                id="invite",
                request=f"make the invitation list {target} from the contacts of {p.town} in "
                f"{contacts}, in the form that {rules} gives",
                label=f"the invitations for {p.town}",
                facts=(
                    Fact("target", target),
                    Fact("town", p.town),
                    Fact("contacts", contacts),
                    Fact("rules", rules),
                ),
                artifacts=(target,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The list, the invitations; nobody who objected is on either."""
        w, f = world(p), p.folder
        patterns = [part for email in w.objected for part in ("-e", email)]
        leaked = (
            "cat contacts.csv invite-*.txt 2>/dev/null | grep -qiF " + " ".join(patterns)
            if patterns
            else "false"
        )
        return (
            CsvRows(
                id="merged",
                subgoal="merge",
                weight=2,
                path=f"{f}/contacts.csv",
                columns=("email", "name", "phone", "town"),
                rows=tuple(w.merged),
            ),
            Said(id="told", subgoal="merge", unit=("contact", "people"), number=len(w.merged)),
            Text(
                id="invited",
                subgoal="invite",
                path=f"{f}/{_target(p)}",
                text=TextMatch(equals="\n".join(w.invited)),
            ),
            Command(
                id="objections",
                argv=("bash", "--noprofile", "--norc", "-c", f"! {{ {leaked}; }}"),
                cwd=f,
                timeout_s=5,
                weight=0,
                forbidden=True,
                failure="somebody who objected is on a list",
            ),
            untouched(w.contents, failure="a source was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Bring addresses into one form, merge by precedence; filter by town."""
        return self._merge(p) if subgoal == "merge" else self._invite(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the list."""
        name = "contacts.csv" if subgoal == "merge" else _target(p)
        (shown,) = yield sh(f"wc -l {name}; tail -n 1 {name}", workdir=p.folder)
        count, last = found(r"^ *(\d+) ", shown.text), shown.text.strip().splitlines()[-1]
        return f"I looked again: {name} has {plural(count, 'line')}, the last is `{last}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Objections compared as typed; the precedence turned round."""
        typed = MERGE.replace("{plain(line) for", "{line.strip() for")
        return (
            WrongSolution(
                "objections overlooked", self._merge(p, typed.replace(" not in objected", ""))
            ),
            WrongSolution("the last source wins", self._merge(p, MERGE, backwards=True)),
        )

    def _merge(self, p: Params, program: str = MERGE, backwards: bool = False) -> Solution:
        rules, heads = yield [
            read(f"{p.folder}/RULES.md"),
            sh("head -n 3 *.csv; head -n 3 objections.txt", workdir=p.folder),
        ]
        order = re.findall(r"`(\w+)\.csv`", rules.text)[:3]
        if "email" not in heads.text:
            return "The sources have no column for addresses."
        order = order[::-1] if backwards else order
        (ran,) = yield python(program.replace("SOURCES", repr(order)), workdir=p.folder)
        if ran.failed:
            return f"The merge stopped: {ran.text.strip()}"
        (count,) = yield sh("tail -n +2 contacts.csv | wc -l", workdir=p.folder)
        left_out = found(r"(\d+) objected", ran.text)
        return (
            f"The list has {count.text.strip()} contacts. Left out because they objected: "
            f"{left_out}."
        )

    def _invite(self, p: Params) -> Solution:
        program = INVITE.replace("TOWN", p.town).replace("TARGET", _target(p))
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The invitations could not be written: {ran.text.strip()}"
        (count,) = yield sh(f"wc -l < {_target(p)}", workdir=p.folder)
        return f"{p.folder}/{_target(p)} invites {plural(count.text, 'person', 'people')}."


def _target(p: Params) -> str:
    return f"invite-{p.town.lower().replace(' ', '-')}.txt"
