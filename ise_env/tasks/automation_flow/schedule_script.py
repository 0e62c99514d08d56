"""Write a small script, and have cron run it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, CronLine, Exists, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import edit, found, plural, read, sh, write

DAYS = {
    "every weekday": "* * 1-5",
    "every day": "* * *",
    "every Monday": "* * 1",
    "every Saturday and Sunday": "* * 6,0",
    "on the first of every month": "1 * *",
}
SCRIPTS = ("count-rows.sh", "row-report.sh", "tally.sh")


class Params(KitParams):
    """What is counted, and when."""

    script: str
    days: str
    hour: int = Field(ge=5, le=22)
    minute: int = Field(ge=1, le=59)
    tables: int = Field(ge=3, le=8)
    at_first: str = ""
    """The script's name that this person asks for before they change their mind."""


@dataclass(frozen=True)
class World:
    """Seeded files, and hidden ones to try the script on."""

    contents: dict[str, str]
    jobs: tuple[str, ...]
    hidden: dict[str, str]
    printed: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive tables and the existing crontab from the parameters."""
    d = Draw(p.content)

    def table(rows: int) -> str:
        lines = [
            (d.day(2025).isoformat(), d.word("products"), money(d.cents(3, 300)))
            for _ in range(rows)
        ]
        return csv_text(("date", "item", "amount"), lines)

    names = d.different("towns", p.tables)
    tables = {f"{name.lower().replace(' ', '-')}.csv": table(d.integer(3, 14)) for name in names}
    hidden = {"north.csv": table(d.integer(15, 40)), "a-b.csv": table(1), "zero.csv": table(0)}
    printed = "".join(f"{name} {hidden[name].count(chr(10)) - 1}\n" for name in sorted(hidden))
    jobs = (
        f"{d.integer(0, 59)} 3 * * * /usr/local/bin/backup --target {d.word('projects')}",
        f"*/15 * * * * /usr/local/bin/ping-{d.word('services')}",
    )
    crontab = f"# jobs of {d.person()}\nSHELL=/bin/sh\n{jobs[0]}\n{jobs[1]}\n"
    contents = {f"{p.folder}/data/{name}": text for name, text in tables.items()}
    contents[f"{p.folder}/data/notes.txt"] = "not a table\nbut two lines\n"
    contents[f"{p.folder}/crontab"] = crontab
    return World(contents, jobs, {f"{p.folder}/probe/{n}": t for n, t in hidden.items()}, printed)


class ScheduleScript(Kit[Params]):
    """A script to schedule."""

    name = "automation-flow/schedule-script"
    version = 2
    title = "Write a script and schedule it"
    description = "Write a counting script and add a crontab line that runs it."
    folders = ("jobs", "nightly", "housekeeping")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: rarer schedules."""
        kinds = list(DAYS)[: {"simple": 2, "medium": 4, "complex": 5}[complexity]]
        script = one(rng, SCRIPTS)
        others = [name for name in SCRIPTS if name != script]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            script=script,
            at_first=one(rng, others) if rng.random() < 0.3 else "",
            days=one(rng, kinds),
            hour=int(rng.integers(5, 23)),
            minute=int(rng.integers(1, 60)),
            tables={"simple": 3, "medium": 5, "complex": 8}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Tables and a crontab."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The script, then its schedule."""
        script, when = f"{p.folder}/{p.script}", f"{p.days} at {p.hour:02d}:{p.minute:02d}"
        log, crontab = f"{p.folder}/{p.script[:-3]}.log", f"{p.folder}/crontab"

        def wish(path: str) -> str:
            return (
                f"write an executable shell script {path} that takes a folder as its "
                "only argument and prints, for every .csv file in it, the file's name, one space "
                "and the number of rows below the header, one file a line and sorted by name"
            )

        return (
            SubGoal(
                id="script",
                request=wish(script),
                at_first=wish(f"{p.folder}/{p.at_first}") if p.at_first else "",
                label=f"the script {p.script}",
                facts=(Fact("script", script),),
                artifacts=(script,),
                question="Should the name be printed with the folder in front?",
                answer="No, just the file's own name",
            ),
            SubGoal(
                id="schedule",
                request=f"add a line to {crontab} that runs {script} on {p.folder}/data {when} and "
                f"appends what it prints to {log}, and keep the other lines as they are",
                label="the crontab line",
                facts=(
                    Fact("crontab", crontab),
                    Fact("script", script),
                    Fact("when", when),
                    Fact("log", log),
                ),
                artifacts=(crontab,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The script on hidden tables; the line by what it means; the other lines."""
        w = world(p)
        crontab = f"{p.folder}/crontab"
        command = TextMatch(
            contains=(p.script, f"{p.script[:-3]}.log"), matches=(r">>", rf"{p.script}\W.*\bdata\b")
        )
        return (
            Command(
                id="prints",
                subgoal="script",
                weight=2,
                argv=(f"./{p.script}", "probe"),
                cwd=p.folder,
                files=w.hidden,
                exit_code=None,
                stdout=TextMatch(equals=w.printed),
                failure="the script prints something else on other tables",
            ),
            Exists(
                id="executable", subgoal="script", path=f"{p.folder}/{p.script}", executable=True
            ),
            CronLine(
                id="line",
                subgoal="schedule",
                path=crontab,
                schedule=f"{p.minute} {p.hour} {DAYS[p.days]}",
                command=command,
            ),
            Text(
                id="others",
                path=crontab,
                weight=0,
                forbidden=True,
                text=TextMatch(contains=(*w.jobs, "SHELL=/bin/sh")),
                failure="another job was dropped",
            ),
            untouched({k: v for k, v in w.contents.items() if "/data/" in k}, id="data"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Write, try, compare with wc; then edit the crontab."""
        if subgoal == "script":
            return self._script(p, skip_header=True)
        return self._schedule(p, DAYS[p.days])

    def solve_at_first(self, p: Params, subgoal: str) -> Solution:
        """The same script under the name that was wanted first."""
        return self._script(p.model_copy(update={"script": p.at_first}), skip_header=True)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run the script again, or show the crontab."""
        if subgoal == "script":
            (ran,) = yield sh(f"{p.folder}/{p.script} {p.folder}/data")
            lines = ran.text.strip().splitlines()
            return f"It prints {plural(len(lines), 'line')}, the first being `{lines[0]}`."
        (shown,) = yield sh(f"grep -n {p.script} {p.folder}/crontab")
        at, _, job = shown.text.strip().partition(":")
        return f"The crontab runs it on line {at}, at `{' '.join(job.split()[:5])}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Counting the header; swapping hour and minute."""
        late = self._schedule(p, DAYS[p.days], late=1)
        return (
            WrongSolution("header counted", self._script(p, skip_header=False)),
            WrongSolution("an hour late", late, "schedule"),
        )

    def _script(self, p: Params, skip_header: bool) -> Solution:
        path = f"{p.folder}/{p.script}"
        (listing,) = yield sh(f"ls {p.folder}/data; wc -l {p.folder}/data/*.csv")
        example = found(r"^(\S+\.csv)", listing.text)
        (head,) = yield read(f"{p.folder}/data/{example}", limit=3)
        rows = "$(tail -n +2" if skip_header and "," in head.text else "$(cat"
        body = (
            "#!/bin/sh\n# Rows below the header of every table.\nset -eu\nexport LC_ALL=C\n"
            'cd "$1"\nfor table in *.csv; do\n  [ -f "$table" ] || continue\n'
            f'  echo "$table" {rows} "$table" | wc -l)\ndone\n'
        )
        (saved,) = yield write(path, body)
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (ran,) = yield sh(f"chmod +x {path} && {path} {p.folder}/data")
        (count,) = yield sh(f"ls {p.folder}/data/*.csv | wc -l")
        lines = ran.text.strip().splitlines()
        return (
            f"{path} prints {plural(len(lines), 'line')} for {plural(count.text, 'table')}, "
            f"e.g. `{lines[0]}`."
        )

    def _schedule(self, p: Params, days: str, late: int = 0) -> Solution:
        crontab, script = f"{p.folder}/crontab", f"{p.folder}/{p.script}"
        before, here = yield [read(crontab), sh("pwd")]
        last = before.text.rstrip().splitlines()[-1]
        root, log = here.text.strip(), f"{p.folder}/{p.script[:-3]}.log"
        job = f"cd {root} && {script} {p.folder}/data >> {log}"
        line = f"{p.minute} {p.hour + late} {days} {job}"
        (edited,) = yield edit(crontab, last, f"{last}\n{line}")
        if edited.failed:
            return f"{crontab} could not be edited: {edited.text}"
        (tried,) = yield sh(f"sh -c '{script} {p.folder}/data' | wc -l; grep -c . {crontab}")
        (shown,) = yield sh(f"grep -n {p.script} {crontab} | cut -d ' ' -f 1-5")
        printed = found(r"^(\d+)", tried.text)
        at, _, when = shown.text.strip().partition(":")
        return (
            f"Line {at} of {crontab} runs it at `{when}`; a trial run printed "
            f"{plural(printed, 'line')}."
        )
