"""Notices from templates: the right words, the right length, and nobody who does not want any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, CsvRows, Said, Text, TextMatch, Tree
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

RULES = """\
# How notices are made

A notice goes to every contact in `contacts.csv` who lives in a town of `event.toml`, has `yes`
under `consent`, is not in `stop.txt` (ids of people who called to be left alone; the table lags
behind), and is not in `sent.csv` (they have had it).

- The text is `templates/LANG.txt`; where there is none for the contact's language, it is
  `templates/en.txt`.
- For the channel `sms` a text of more than {limit} characters, filled in and without its last line
  end, is replaced by that of `templates/LANG.short.txt` (or `templates/en.short.txt`).
- `{{{{name}}}}` and `{{{{town}}}}` are the contact's, `{{{{day}}}}` and `{{{{hours}}}}` those of
  the event.
- It is written to `outbox/ID.txt`, nothing else in the file. Whatever lies in `outbox/` is sent at
  once, so a notice to somebody who must not get one is a complaint on {person}'s desk.
"""
PROGRAM = """\
import csv, os, pathlib, tomllib
event = tomllib.load(open("event.toml", "rb"))
stop = {stop}
sent = {{row["id"] for row in csv.DictReader(open("sent.csv"))}}
made = {{}}
def template(lang, kind):
    path = pathlib.Path("templates", lang + kind)
    return (path if path.exists() else pathlib.Path("templates", "en" + kind)).read_text()
os.makedirs("outbox", exist_ok=True)
for row in csv.DictReader(open("contacts.csv")):
    if row["town"] not in event["towns"] or row["consent"] != "yes":
        continue
    if row["id"] in stop or row["id"] in sent:
        continue
    def fill(text):
        for key in ("name", "town"):
            text = text.replace("{{{{" + key + "}}}}", row[key])
        for key in ("day", "hours"):
            text = text.replace("{{{{" + key + "}}}}", event[key])
        return text
    text = fill(template(row["lang"], ".txt"))
    if row["channel"] == "sms" and len(text.rstrip("\\n")) > {limit}:
        text = fill(template(row["lang"], ".short.txt"))
    pathlib.Path("outbox", row["id"] + ".txt").write_text(text)
    made[row["id"] + ".txt"] = row["lang"]
for name in set(os.listdir("outbox")) - set(made):
    os.unlink("outbox/" + name)
langs = sorted(made.values())
print(len(made), "written;", ", ".join(f"{{k}} {{langs.count(k)}}" for k in sorted(set(langs))))
"""
LONG = {
    "en": "Dear {{name}},\non {{day}} the water in {{town}} is turned off from {{hours}}. Please "
    "fill what you need before, keep the taps closed, and let them run for a minute afterwards.\n",
    "de": "Guten Tag {{name}},\nam {{day}} wird in {{town}} das Wasser abgestellt, {{hours}}. "
    "Bitte halten Sie die Hähne geschlossen und lassen Sie das Wasser danach kurz laufen.\n",
    "fr": "Bonjour {{name}},\nle {{day}}, l'eau sera coupée à {{town}}, {{hours}}. Gardez les "
    "robinets fermés, puis laissez couler l'eau une minute.\n",
}
SHORT = {
    "en": "{{name}}: no water in {{town}} on {{day}}, {{hours}}.\n",
    "de": "{{name}}: kein Wasser in {{town}} am {{day}}, {{hours}}.\n",
}
LANGUAGES = ("en", "de", "fr", "pl", "tr")
SIZES = {"simple": 18, "medium": 40, "complex": 90}


class Params(KitParams):
    """How many contacts there are."""

    contacts: int = Field(ge=18, le=90)


@dataclass(frozen=True)
class World:
    """Contacts, templates, and the notices that follow."""

    contents: dict[str, str]
    notices: dict[str, str]
    spared: tuple[str, ...]
    """Ids that must not get one although they live in the right town."""
    languages: tuple[tuple[str, str], ...]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive contacts and notices from the parameters."""
    d = Draw(p.content)
    f, limit = p.folder, d.pick((140, 150, 160))
    towns = d.different("towns", 6)
    affected = towns[:3]
    day, start = d.day(2026).isoformat(), d.integer(7, 13)
    hours = f"{start}:00 to {start + d.integer(2, 4)}:30"
    number, rows, notices = d.integer(100, 400), [], {}
    stop: list[str] = []
    sent: list[str] = []
    spared: list[str] = []
    counts: dict[str, int] = {}
    for at in range(p.contacts):
        number += d.integer(1, 5)
        name, person = f"k{number}", d.person()
        lang, town = d.pick(LANGUAGES), d.pick(affected if at % 3 else towns)
        channel, kind = d.pick(("mail", "sms", "sms")), at % 7
        consent = "no" if kind == 2 else "yes"
        rows.append((name, person, town, lang, channel, consent))
        if kind == 4:
            stop.append(name)
        if kind == 5:
            sent.append(name)
        if town not in affected:
            continue
        if kind in (2, 4, 5):
            spared.append(name)
            continue
        found_ = {"name": person, "town": town, "day": day, "hours": hours}
        text = _fill(LONG.get(lang, LONG["en"]), found_)
        if channel == "sms" and len(text.rstrip("\n")) > limit:
            text = _fill(SHORT.get(lang, SHORT["en"]), found_)
        notices[name] = text
        counts[lang] = counts.get(lang, 0) + 1
    columns = ("id", "name", "town", "lang", "channel", "consent")
    listed = json.dumps(d.shuffled(affected))
    contents = {
        f"{f}/RULES.md": RULES.format(limit=limit, person=d.person()),
        f"{f}/event.toml": f'day = "{day}"\nhours = "{hours}"\ntowns = {listed}\n',
        f"{f}/contacts.csv": csv_text(columns, d.shuffled(rows)),
        f"{f}/stop.txt": "".join(f"{name}\n" for name in d.shuffled(stop)),
        f"{f}/sent.csv": csv_text(("id", "at"), [(name, day) for name in sent]),
        **{f"{f}/templates/{lang}.txt": text for lang, text in LONG.items()},
        **{f"{f}/templates/{lang}.short.txt": text for lang, text in SHORT.items()},
        **surroundings(p.content, f, 10),
    }
    languages = tuple((lang, str(count)) for lang, count in sorted(counts.items()))
    return World(contents, notices, tuple(spared), languages)


def _fill(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text


class NotifyFromTemplates(Kit[Params]):
    """Notices to prepare."""

    name = "automation-flow/notify-from-templates"
    title = "Prepare notices from templates"
    description = "Write a notice for everybody who should get one, and for nobody else."
    obstacle = "people who called to be left alone but still stand in the table with consent"
    requires = ("python3",)
    folders = ("notice-desk", "letter-run", "town-notices")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more contacts."""
        return Params(
            folder=one(rng, self.folders), content=content_seed(rng), contacts=SIZES[complexity]
        )

    def seed(self, p: Params) -> Seed:
        """The contacts, the templates, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Write them; count them by language."""
        f = p.folder
        event, rules, outbox, table = (
            f"{f}/event.toml", f"{f}/RULES.md", f"{f}/outbox", f"{f}/languages.csv"
        )  # fmt: skip
        return (
            SubGoal(
                id="write",
                request=f"write the notices about {event} into {outbox}, each made from the "
                f"templates as {rules} says, for exactly the people who should get one",
                label="the notices",
                facts=(Fact("event", event), Fact("outbox", outbox), Fact("rules", rules)),
                artifacts=(outbox,),
                question="What if there is no template in somebody's language?",
                answer="Then the English one is used",
            ),
            SubGoal(
                id="count",
                request=f"count the notices in {outbox} by the language of the contact in {table}, "
                "with the columns lang and notices, and tell me how many notices there are in all",
                label="the count by language",
                facts=(Fact("outbox", outbox), Fact("table", table)),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every notice word for word, the counts; nobody who has to be spared."""
        w, f = world(p), p.folder
        outbox = f"{f}/outbox"
        return (
            Tree(
                id="who",
                subgoal="write",
                path=outbox,
                weight=2,
                names=tuple(f"{name}.txt" for name in w.notices),
            ),
            *(
                Text(
                    id=f"notice {name}",
                    subgoal="write",
                    weight=2 / len(w.notices),
                    path=f"{outbox}/{name}.txt",
                    text=TextMatch(equals=text),
                )
                for name, text in w.notices.items()
            ),
            CsvRows(
                id="languages",
                subgoal="count",
                path=f"{f}/languages.csv",
                columns=("lang", "notices"),
                rows=w.languages,
            ),
            Said(id="told", subgoal="count", unit=("notice",), number=len(w.notices)),
            Absent(
                id="spared",
                path=f"{outbox}/{w.spared[0]}.txt",
                others=tuple(f"{outbox}/{name}.txt" for name in w.spared[1:]),
                weight=0,
                forbidden=True,
                failure="a notice goes to somebody who must not get one",
            ),
            untouched(w.contents, failure="a list, a template or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """A short program after the rules; join and count."""
        return self._write(p) if subgoal == "write" else self._count(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at one notice, or at the table."""
        if subgoal == "count":
            (shown,) = yield sh("tail -n +2 languages.csv", workdir=p.folder)
            return f"I looked again; by language: {' '.join(shown.text.split())}."
        (shown,) = yield sh(
            "ls outbox | head -n 1; cat outbox/$(ls outbox | head -n 1)", workdir=p.folder
        )
        name, _, text = shown.text.strip().partition("\n")
        return f"I looked again; {name} says: {' '.join(text.split())}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The stop list forgotten; no short texts; languages of all contacts counted."""
        return (
            WrongSolution("stop list forgotten", self._write(p, stop="set()")),
            WrongSolution("long texts by sms", self._write(p, limit="9999")),
            WrongSolution("all contacts counted", self._count(p, everybody=True), "count"),
        )

    def _write(
        self, p: Params, stop: str = 'set(open("stop.txt").read().split())', limit: str = ""
    ) -> Solution:
        (rules,) = yield read(f"{p.folder}/RULES.md")
        most = limit or found(r"more than (\d+) characters", rules.text)
        (ran,) = yield sh(
            f"cat > /tmp/notices.py <<'EOF'\n{PROGRAM.format(stop=stop, limit=most)}EOF\n"
            "python3 /tmp/notices.py",
            workdir=p.folder,
        )
        if ran.failed:
            return f"The notices could not be written: {last_line(ran.text)}"
        count, kinds = found(r"^(\d+) written", ran.text), found(r"written; (.*)", ran.text)
        return f"{plural(count, 'notice')} are in outbox, by language: {kinds}."

    def _count(self, p: Params, everybody: bool = False) -> Solution:
        (head,) = yield sh("head -n 1 contacts.csv; ls outbox | wc -l", workdir=p.folder)
        columns = head.text.splitlines()[0].split(",")
        lang = columns.index("lang") + 1
        who = "1" if everybody else 'system("test -e outbox/" $1 ".txt") == 0'
        (ran,) = yield sh(
            f"(echo lang,notices; awk -F, 'NR > 1 && {who} {{ n[${lang}]++ }} "
            'END { for (l in n) print l "," n[l] }\' contacts.csv | sort) > languages.csv; '
            "awk -F, 'NR > 1 { s += $2 } END { print s }' languages.csv",
            workdir=p.folder,
        )
        return f"languages.csv is written. In all there are {plural(ran.text, 'notice')}."
