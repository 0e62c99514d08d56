"""A Node program that stumbles over bad lines, and a manual that says what it should do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime import _menu_linter
from ise_env.tasks.code_runtime._menu_linter import Menu, menu
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

BOTH = 'node menu.js later/menu.txt 2> /tmp/told; echo "status $?"; cat /tmp/told'
STATUSES = (
    "for given in '' 'nowhere.txt' 'later/menu.txt later/menu.txt'; do "
    "node menu.js $given > /tmp/out 2> /tmp/told; "
    'echo "$? $(wc -c < /tmp/out) $(wc -l < /tmp/told)"; done'
)


class Params(KitParams):
    """How many menus there are, and how long."""

    project: str
    menus: int = Field(ge=3, le=8)
    dishes: int = Field(ge=6, le=16)
    bad: int = Field(ge=1, le=4)


@dataclass(frozen=True)
class World:
    """The project, its menus, and hidden ones."""

    contents: dict[str, str]
    menus: dict[str, Menu]
    good: Menu
    mixed: Menu


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    names = d.different("towns", p.menus)

    def made(bad: int) -> Menu:
        return menu(d, d.different("products", p.dishes), bad)

    menus = {
        f"menus/{n.lower().replace(' ', '-')}.txt": made(p.bad if k else 0)
        for k, n in enumerate(names)
    }
    contents = surroundings(d, p.project, package="py", modules=5, docs=4, others=4)
    contents |= {path: m.text for path, m in menus.items()}
    contents |= {
        "menu.js": _menu_linter.PROGRAM,
        "lib/lines.js": _menu_linter.LINES,
        "docs/menu.md": _menu_linter.MANUAL,
        "package.json": f'{{\n  "name": "{p.project}",\n  "version": "1.0.0",\n'
        '  "private": true\n}\n',
        "README.md": f"# {p.project}\n\nMenus lie in `menus/`, `menu.js` adds them up. It is older "
        f"than its manual\n(`docs/menu.md`), which {d.person()} wrote so that the kitchen can rely "
        "on it.\n",
    }
    return World(below(p.folder, contents), menus, made(0), made(3))


class ExitCodes(Kit[Params]):
    """A command-line program to make reliable."""

    name = "code-runtime/exit-codes"
    title = "Make a command-line program report errors as its manual says"
    description = "Teach a Node program to name bad lines and to end with the right status."
    obstacle = "broken rows, which the program adds up as if nothing were wrong"
    requires = ("node",)
    folders = ("canteen-js", "kitchen-cli", "menu-board")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more menus, longer, with more bad lines."""
        d = Draw(content_seed(rng))
        menus, dishes, bad = {"simple": (3, 6, 1), "medium": (5, 10, 2)}.get(complexity, (8, 16, 4))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            project=d.word("projects"),
            menus=menus,
            dishes=dishes,
            bad=bad,
        )

    def seed(self, p: Params) -> Seed:
        """The project."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Mend the program; use it on all menus."""
        f = p.folder
        program, manual = f"{f}/menu.js", f"{f}/docs/menu.md"
        return (
            SubGoal(
                id="mend",
                request=f"make {program} do what {manual} says about bad lines, missing files and "
                "the exit status",
                label=f"the mended {program}",
                facts=(Fact("program", program), Fact("manual", manual)),
                artifacts=(program,),
                question="May lib/lines.js change as well?",
                answer="Yes, as long as menu.js then does what the manual says",
            ),
            SubGoal(
                id="use",
                request=f"run it in {f} on every file in menus (given as menus/NAME.txt), collect "
                f"what it writes to standard error in {f}/bad-lines.txt, files in the order of "
                "their names, and tell me how many bad lines there are altogether",
                label="the list of bad lines",
                facts=(Fact("folder", f), Fact("list", f"{f}/bad-lines.txt")),
                artifacts=(f"{f}/bad-lines.txt",),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Hidden menus, good and bad, and calls that cannot work; the list and its length."""
        w, f = world(p), p.folder

        def ran(name: str, given: Menu, status: int, weight: float) -> Check:
            told = f"{given.printed}status {status}\n{given.complaints('later/menu.txt')}"
            return Command(
                id=name,
                subgoal="mend",
                weight=weight,
                argv=("bash", "--noprofile", "--norc", "-c", BOTH),
                cwd=f,
                files={f"{f}/later/menu.txt": given.text},
                stdout=TextMatch(equals=told),
                failure="output, status or complaints are not what the manual says",
            )

        listed = "".join(w.menus[path].complaints(path) for path in sorted(w.menus))
        own = (f"{f}/menu.js", f"{f}/lib/lines.js")
        rest = {path: text for path, text in w.contents.items() if path not in own}
        return (
            ran("bad-lines", w.mixed, 1, 2),
            ran("all-good", w.good, 0, 1),
            Command(
                id="cannot-work",
                subgoal="mend",
                argv=("bash", "--noprofile", "--norc", "-c", STATUSES),
                cwd=f,
                files={f"{f}/later/menu.txt": w.good.text},
                stdout=TextMatch(equals="2 0 1\n" * 3),
                failure="without a file, without a readable one or with two, it does not end with "
                "status 2 and one line to standard error",
            ),
            Text(
                id="listed",
                subgoal="use",
                path=f"{f}/bad-lines.txt",
                text=TextMatch(equals=listed),
            ),
            Said(id="told", subgoal="use", number=listed.count("\n"), unit=("bad", "line")),
            untouched(rest, id="given", failure="a menu or the manual was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read manual and program, try a bad menu, rewrite, try again; run over all."""
        return self._mend(p, _menu_linter.MENDED) if subgoal == "mend" else self._use(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Try once more, or count the lines."""
        if subgoal == "use":
            (count,) = yield sh("wc -l < bad-lines.txt", **_in(p))
            return f"I looked again: {plural(count.text, 'bad line')} in bad-lines.txt."
        (ran,) = yield sh(_TRIAL, **_in(p))
        return f"I tried it again: {', '.join(ran.text.strip().splitlines())}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The status forgotten; only the reading mended."""
        forgotten = _menu_linter.MENDED.replace("bad > 0 ? 1 : 0", "0")
        return (
            WrongSolution("the status forgotten", self._mend(p, forgotten)),
            WrongSolution("bad lines left out silently", self._mend(p, _silent())),
        )

    def _mend(self, p: Params, program: str) -> Solution:
        f = p.folder
        manual, code, lines = yield [
            read(f"{f}/docs/menu.md"),
            read(f"{f}/menu.js"),
            read(f"{f}/lib/lines.js"),
        ]
        (before,) = yield sh(_TRIAL, **_in(p))
        if "exit status" not in manual.text or "parseLine" not in code.text + lines.text:
            return f"{f}/menu.js is not what I expected."
        first = yield write(f"{f}/menu.js", program)
        second = yield write(f"{f}/lib/lines.js", _menu_linter.MENDED_LINES)
        if first[0].failed or second[0].failed:
            return f"menu.js could not be written: {first[0].text} {second[0].text}"
        (after,) = yield sh(_TRIAL, **_in(p))
        states = [line for line in after.text.splitlines() if line.startswith("status ")]
        return (
            f"Given a line without a price, it said `{before.text.splitlines()[0]}`; now it says "
            f"`{after.text.splitlines()[0]}`, with {' and '.join(states)}."
        )

    def _use(self, p: Params) -> Solution:
        (ran,) = yield sh(
            "for m in $(ls menus/*.txt | LC_ALL=C sort); do node menu.js $m; done "
            "2> bad-lines.txt; wc -l < bad-lines.txt; cut -d: -f1 bad-lines.txt | sort -u | wc -l",
            **_in(p),
        )
        numbers = [line for line in ran.text.splitlines() if line.strip().isdigit()]
        total = found(r"^(\d+)$", numbers[0])
        return (
            f"There are {plural(total, 'bad line')} in {plural(numbers[1], 'menu')}; "
            f"{p.folder}/bad-lines.txt names them."
        )


_TRIAL = (
    "echo 'soup 3.50' > /tmp/t.txt; node menu.js /tmp/t.txt 2>&1 | head -n 2; "
    "echo status ${PIPESTATUS[0]}; node menu.js >/dev/null 2>&1; echo status $? without a file"
)


def _silent() -> str:
    """The program without its complaints."""
    lines = _menu_linter.MENDED.splitlines(keepends=True)
    return "".join(line for line in lines if "bad line`" not in line)


def _in(p: Params) -> dict[str, str]:
    return {"workdir": p.folder}
