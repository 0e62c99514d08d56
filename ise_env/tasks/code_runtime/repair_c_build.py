"""A C program that no longer builds, and the figures that wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime import _c_program
from ise_env.tasks.code_runtime._c_program import FAULTS, MAKEFILE, SOURCES
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, found, last_line, plural, read, sh

BUILD = "make -s clean >&2 && make -s >&2 && build/summary later.txt"
STRICT = ("-Wall", "-Wextra", "-Werror")


class Params(KitParams):
    """What is wrong with the build, and how much there is to summarise."""

    faults: tuple[str, ...]
    readings: int = Field(ge=12, le=44)


@dataclass(frozen=True)
class World:
    """The project, the file to summarise, what the program should print."""

    contents: dict[str, str]
    station: str
    printed: str
    mean: float
    hidden: str
    hidden_printed: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    project = d.word("projects")
    sources = {"Makefile": MAKEFILE, **SOURCES}
    for name in p.faults:
        fault = FAULTS[name]
        sources[fault.path] = sources[fault.path].replace(fault.right, fault.broken)
    towns = d.different("towns", 5)
    data = {
        f"data/{t.lower().replace(' ', '-')}.txt": _c_program.readings(d, p.readings) for t in towns
    }
    station = next(iter(data))
    hidden, quarters = _c_program.readings(d, 25)
    contents = surroundings(d, project, package="scripts/py", modules=4, docs=4, others=4)
    contents |= {path: text for path, (text, _) in data.items()} | sources
    contents["README.md"] = (
        f"# {project}\n\n`make` builds `build/summary`, which summarises a file of readings.\n"
        f"It built until {d.person()} tidied up. The warnings stay errors: they have saved us "
        "before.\n"
    )
    printed = _c_program.summary(data[station][1])
    mean = sum(data[station][1]) / 4 / p.readings
    return World(
        below(p.folder, contents), station, printed, mean, hidden, _c_program.summary(quarters)
    )


class RepairCBuild(Kit[Params]):
    """A build to repair."""

    name = "code-runtime/repair-c-build"
    title = "Repair the build of a C program"
    description = "Find out why a C program no longer builds, repair it, and use it."
    obstacle = "faults that show one after the other, as compiler and linker get further"
    requires = ("gcc", "make")
    folders = ("weather-c", "gauges", "probe-firmware")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more faults."""
        order = [sorted(FAULTS)[int(n)] for n in rng.permutation(len(FAULTS))]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            faults=tuple(order[: {"simple": 1, "medium": 2, "complex": 4}[complexity]]),
            readings=int(rng.integers(3, 12)) * 4,
        )

    def seed(self, p: Params) -> Seed:
        """The project."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Repair it, then use it."""
        f, w = p.folder, world(p)
        data, saved = f"{f}/{w.station}", f"{f}/summary.txt"
        strict = " ".join(STRICT)
        return (
            SubGoal(
                id="build",
                request=f"get `make` in {f} to build build/summary again, from scratch too, and "
                f"keep {strict} switched on",
                label=f"the build in {f}",
                facts=(Fact("folder", f), Fact("strict", strict)),
                artifacts=(f"{f}/Makefile", f"{f}/build/summary"),
                question="May I change the sources as well as the Makefile?",
                answer="Yes, wherever the fault is, but what the program prints has to stay",
            ),
            SubGoal(
                id="run",
                request=f"run the program you built on {data}, save what it prints as {saved} and "
                "tell me the mean",
                label="the summary",
                facts=(Fact("data", data), Fact("saved", saved)),
                artifacts=(saved,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """A build from scratch that is as strict as before; the summary."""
        w, f = world(p), p.folder
        own = ("Makefile", *SOURCES)
        rest = {path: text for path, text in w.contents.items() if path[len(f) + 1 :] not in own}
        return (
            Command(
                id="builds",
                subgoal="build",
                weight=2,
                argv=("bash", "--noprofile", "--norc", "-c", BUILD),
                cwd=f,
                files={f"{f}/later.txt": w.hidden},
                stdout=TextMatch(equals=w.hidden_printed),
                failure="from scratch, the program does not build or prints something else",
            ),
            Text(
                id="strict",
                path=f"{f}/Makefile",
                text=TextMatch(matches=tuple(f"^[^#\n]*{flag}\\b" for flag in STRICT)),
                weight=0,
                failure="a warning is no longer an error",
            ),
            Text(
                id="saved", subgoal="run", path=f"{f}/summary.txt", text=TextMatch(equals=w.printed)
            ),
            Said(id="told", subgoal="run", number=w.mean, tolerance=0.006, unit=("mean",)),
            untouched(rest, id="given", failure="readings or other files were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Build, mend what it complains about, build again; run."""
        return self._build(p) if subgoal == "build" else self._run(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Build again, or show the summary."""
        if subgoal == "run":
            (shown,) = yield read(f"{p.folder}/summary.txt")
            return f"I looked again; the summary says {', '.join(shown.text.strip().splitlines())}."
        (built,) = yield sh("make clean >/dev/null; make 2>&1 | tail -n 2", workdir=p.folder)
        return f"I built it from scratch again; the last step was `{last_line(built.text)}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Warnings let pass; a script in place of the program."""
        script = (
            "mkdir -p build; echo 'awk \"{ s += \\$2 } END { print s / NR }\" $1' > build/summary; "
            "chmod +x build/summary; ls build"
        )
        return (
            WrongSolution("warnings let pass", self._lenient(p)),
            WrongSolution("a script instead", self._shell(p, script)),
        )

    def _build(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (said,) = yield sh("make clean >/dev/null; make 2>&1 | tail -n 25", **here)
        mended: list[str] = []
        for _ in range(len(p.faults) + 1):
            faults = [FAULTS[name] for name in p.faults if name not in mended]
            seen = next((f for f in faults if found(f"({f.says})", said.text, "")), None)
            if seen is None:
                break
            code = yield read(f"{p.folder}/{seen.path}")
            changed = yield edit(f"{p.folder}/{seen.path}", seen.broken, seen.right)
            if changed[0].failed or seen.broken.strip() not in code[0].text:
                return f"{seen.path} could not be edited: {changed[0].text}"
            mended += [name for name in p.faults if FAULTS[name] is seen]
            (said,) = yield sh("make clean >/dev/null; make 2>&1 | tail -n 25", **here)
        (there,) = yield sh("ls build; grep -c -e '-Werror' Makefile", **here)
        if "summary" not in there.text.split():
            return f"It still fails: {last_line(said.text)}"
        where = ", ".join(dict.fromkeys(FAULTS[name].path for name in mended)) or "nothing"
        return (
            f"build/summary builds from scratch again, warnings still being errors. "
            f"{plural(len(mended), 'thing')} had to be put right, in {where}."
        )

    def _run(self, p: Params) -> Solution:
        data = world(p).station
        (ran,) = yield sh(
            f"build/summary {data} > summary.txt && cat summary.txt", workdir=p.folder
        )
        if ran.failed:
            return f"The program failed: {last_line(ran.text)}"
        mean, count = found(r"^mean: (\S+)", ran.text), found(r"^readings: (\d+)", ran.text)
        return f"The mean is {mean}, over {plural(count, 'reading')}; summary.txt has the rest."

    def _lenient(self, p: Params) -> Solution:
        loosened = yield from self._build(p)
        (built,) = yield sh(
            "sed -i 's/ -Werror//; s/ -Wall -Wextra//' Makefile; make clean; make | tail -n 1",
            workdir=p.folder,
        )
        return f"{loosened} I also switched the noise off: {last_line(built.text)}"

    def _shell(self, p: Params, script: str) -> Solution:
        (done,) = yield sh(script, workdir=p.folder)
        return f"There it is: {last_line(done.text)}."
