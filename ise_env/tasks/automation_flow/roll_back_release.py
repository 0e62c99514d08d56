"""A deployment whose check fails, and a way back that is not simply the release before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Exists, Hash, JsonEquals, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.automation_flow._roll_back_release_texts import APP, DEPLOY, MIGRATE, RUNBOOK
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import PINNED, files, sha256, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.workspaces.protocol import SeedFile


class Params(KitParams):
    """The release to deploy, and the one that is good."""

    major: int = Field(ge=2, le=8)
    new: int = Field(ge=5, le=29)
    bad: int = Field(ge=1, le=3)
    """How many releases before it are bad."""
    orders: int = Field(ge=8, le=60)


@dataclass(frozen=True)
class World:
    """Releases, data, and what the check will say."""

    contents: dict[str, str]
    version: str
    live: str
    good: str
    cause: str
    store: str
    log: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the releases from the parameters."""
    d = Draw(p.content)
    f, schema = p.folder, d.integer(3, 7)
    version = f"{p.major}.{p.new}"
    earlier = [f"{p.major}.{number}" for number in range(p.new - 4, p.new)]
    bad, good = earlier[-p.bad :], earlier[-p.bad - 1]
    orders = [
        {"id": 100 + n, "customer": d.person(), "cents": d.integer(200, 90_000)}
        for n in range(p.orders)
    ]
    store = json.dumps({"schema": schema, "orders": orders}, indent=1) + "\n"
    cause = d.pick(
        (
            f"the tax of {d.integer(2, 9)} invoices is negative",
            f"{d.integer(2, 9)} customers have no address",
            f"the sum of all invoices is off by {d.integer(3, 90)}.{d.integer(10, 99)}",
            f"label {100 + d.integer(0, p.orders - 1)} is printed twice",
        )
    )
    lines = [f"{name} good\n" for name in earlier[:-1]]
    for name in bad:
        if name != earlier[-1]:
            lines.append(f"{name} bad: {d.pick(('loses carts', 'slow at noon', 'wrong tax'))}\n")
    lines.append(f"{earlier[-1]} bad: {d.pick(('prints blank labels', 'drops discounts'))}\n")
    contents = {
        f"{f}/RUNBOOK.md": RUNBOOK.format(person=d.person()),
        f"{f}/shared/store.json": store,
        f"{f}/releases.log": "".join(lines),
        f"{f}/deploy.log": "".join(f"{name} deployed\n" for name in earlier),
        f"{f}/backups/store.{earlier[-1]}.json": json.dumps({"schema": schema, "orders": []})
        + "\n",
        f"{f}/releases/{version}/app.py": APP.format(
            version=version, schemas=f"({schema + 1},)", broken=repr(cause)
        ),
        f"{f}/releases/{version}/migrate.py": MIGRATE.format(new=schema + 1),
    }
    for name in earlier:
        contents[f"{f}/releases/{name}/app.py"] = APP.format(
            version=name, schemas=f"({schema},)", broken="''"
        )
        contents[f"{f}/releases/{name}/CHANGES.md"] = (
            f"# {name}\n\n- {d.word('topics')} by {d.person()}\n"
        )
    return World(contents, version, earlier[-1], good, cause, store, "".join(lines))


class RollBackRelease(Kit[Params]):
    """A deployment that goes wrong."""

    name = "automation-flow/roll-back-release"
    title = "Deploy a release and roll it back"
    description = "Deploy a release, roll back by the runbook when its check fails, report it."
    obstacle = "the check of the release fails, and the release before it was bad as well"
    requires = ("python3",)
    folders = ("release-host", "deploy-desk", "web-releases")
    version = 2
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more bad releases on the way back."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            major=int(rng.integers(2, 9)),
            new=int(rng.integers(5, 30)),
            bad={"simple": 1, "medium": 2, "complex": 3}[complexity],
            orders={"simple": 8, "medium": 20, "complex": 60}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The host with the release before live."""
        w = world(p)
        deploy = SeedFile(f"{p.folder}/deploy.sh", DEPLOY.encode(), mode=0o755)
        link = f"cd {p.folder} && ln -s releases/{w.live} current && {PINNED} current ."
        given = w.contents | surroundings(p.content, p.folder, 9)
        return Seed((*files(given), deploy), (link,))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Deploy, with the way back; report."""
        f, w = p.folder, world(p)
        deploy, runbook, report = f"{f}/deploy.sh", f"{f}/RUNBOOK.md", f"{f}/incident.json"
        return (
            SubGoal(
                id="deploy",
                request=f"deploy the release {w.version} with {deploy}, and if its check fails, "
                f"roll it back as {runbook} says",
                label=f"the deployment of {w.version}",
                facts=(
                    Fact("version", w.version),
                    Fact("deploy", deploy),
                    Fact("runbook", runbook),
                ),
                artifacts=(f"{f}/releases.log", f"{f}/deploy.log"),
                question="May the failed release be deleted?",
                answer="No, it stays for whoever examines it",
            ),
            SubGoal(
                id="report",
                request=f"write {report} with the keys failed (the version that was to go live), "
                "running (the one that `current` points to now) and cause (what its check said "
                "after `check failed: `), and tell me how many orders the live release sees",
                label="the report on the deployment",
                facts=(Fact("report", report),),
                artifacts=(report,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Tried, rolled back whole, nothing lost."""
        w, f = world(p), p.folder
        given = {
            path: text
            for path, text in w.contents.items()
            if not path.endswith((".log", "/store.json"))
        }
        live = 'basename "$(readlink -f current)"'
        return (
            Text(
                id="tried",
                subgoal="deploy",
                path=f"{f}/deploy.log",
                text=TextMatch(matches=(rf"^{w.version} deployed$",)),
            ),
            Command(
                id="live",
                subgoal="deploy",
                weight=2,
                argv=("bash", "--noprofile", "--norc", "-c", live),
                cwd=f,
                stdout=TextMatch(equals=w.good),
                failure="current does not point to the newest release that is good",
            ),
            Text(
                id="noted",
                subgoal="deploy",
                path=f"{f}/releases.log",
                text=TextMatch(equals=f"{w.log}{w.version} rolled back to {w.good}\n"),
            ),
            Hash(
                id="backup",
                subgoal="deploy",
                path=f"{f}/backups/store.{w.version}.json",
                sha256=sha256(w.store),
            ),
            JsonEquals(
                id="data",
                path=f"{f}/shared/store.json",
                equals=json.loads(w.store),
                weight=0,
                failure="the data are not what they were before the deployment",
            ),
            Exists(
                id="failed release",
                path=f"{f}/releases/{w.version}",
                type="directory",
                weight=0,
                forbidden=True,
                failure="the failed release was deleted",
            ),
            JsonEquals(
                id="report",
                subgoal="report",
                path=f"{f}/incident.json",
                equals={"failed": w.version, "running": w.good, "cause": w.cause},
            ),
            Said(id="told", subgoal="report", unit=("order",), number=p.orders),
            untouched(
                given | {f"{f}/deploy.sh": DEPLOY},
                failure="a release, a backup or a script changed",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Deploy and follow the runbook; report what was seen."""
        return self._deploy(p) if subgoal == "deploy" else self._report(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Check once more, or show the report."""
        if subgoal == "report":
            (shown,) = yield read(f"{p.folder}/incident.json")
            return f"I looked again: incident.json says {shown.text.strip()}"
        (again,) = yield sh("readlink current; python3 current/app.py check", workdir=p.folder)
        return f"I checked once more: {last_line(again.text)}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Back to the release before; the data left migrated; the failed release deleted."""
        before, gone = world(p).live, f"rm -r releases/{world(p).version}"
        return (
            WrongSolution("back to the one before", self._deploy(p, to=before)),
            WrongSolution("data not restored", self._deploy(p, data=False)),
            WrongSolution("failed release deleted", self._deploy(p, then=gone)),
        )

    def _deploy(self, p: Params, to: str = "", data: bool = True, then: str = "") -> Solution:
        f, here = p.folder, {"workdir": p.folder}
        version = world(p).version
        runbook, log = yield [read(f"{f}/RUNBOOK.md"), sh("cat releases.log", **here)]
        (tried,) = yield sh(f"./deploy.sh {version}", **here)
        if not tried.failed:
            return f"{last_line(tried.text)}."
        cause = found(r"check failed: (.*)", tried.text)
        last = dict(line.split(" ", 1) for line in log.text.strip().splitlines())
        good = [name for name, state in last.items() if state == "good"]
        if not good or "rolled back to OTHER" not in runbook.text:
            return f"The check failed ({cause}), and no release is called good."
        target = to or max(good, key=lambda name: [int(part) for part in name.split(".")])
        steps = (
            f"cp backups/store.{version}.json shared/store.json" if data else "",
            f"ln -sfn releases/{target} current",
            "python3 current/app.py check",
            f"echo '{version} rolled back to {target}' >> releases.log",
            then,
        )
        (back,) = yield sh(" && ".join(filter(None, steps)), **here)
        if back.failed:
            return f"The way back failed, too: {last_line(back.text)}"
        return (
            f"The check of {version} failed: {cause}. I rolled back to {target}, the newest that "
            f"is good; it says `{found(r'^(release .*)', back.text, last_line(back.text))}`."
        )

    def _report(self, p: Params) -> Solution:
        f, here = p.folder, {"workdir": p.folder}
        (seen,) = yield sh(
            "tail -n 1 releases.log; basename $(readlink current); python3 current/app.py check",
            **here,
        )
        failed = found(r"^(\S+) rolled back to", seen.text)
        running = found(r"^(\d+\.\d+)$", seen.text)
        # The failed release tells its cause only to data of its own schema: on a copy.
        (asked,) = yield sh(
            f"rm -rf /tmp/copy; cp -r . /tmp/copy; cd /tmp/copy; "
            f"python3 releases/{failed}/migrate.py; python3 releases/{failed}/app.py check",
            **here,
        )
        cause = found(r"check failed: (.*)", asked.text)
        note = json.dumps({"failed": failed, "running": running, "cause": cause})
        (saved,) = yield write(f"{f}/incident.json", note + "\n")
        if saved.failed:
            return f"incident.json could not be written: {saved.text}"
        orders = found(r"ok, (\d+) orders", seen.text)
        return f"The report is written. Release {running} sees {plural(orders, 'order')}."
