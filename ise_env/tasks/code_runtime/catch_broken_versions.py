"""Tests to write, good enough that a version which breaks any one rule does not get through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, TextMatch
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.spec import Check
from ise_env.tasks.code_runtime._ruled_functions import RULED, Rule, Ruled
from ise_env.tasks.codebase import below, surroundings
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import last_line, plural, read, sh, write

RUN = "import sys, unittest; sys.path.insert(0, '.'); unittest.main(module=sys.argv.pop(1))"

JUDGE = f"""\
import json, subprocess, sys
RUN = {RUN!r}
"""
VERSIONS = """\
module, versions = sys.argv[1], json.load(sys.stdin)
codes = []
for source in versions:
    with open(f"{module}.py", "w") as file:
        file.write(source)
    ran = subprocess.run([sys.executable, "-I", "-B", "-c", RUN, f"test_{module}"],
                         capture_output=True, timeout=20)
    codes.append(ran.returncode)
print(json.dumps(["passes" if code == 0 else "fails" for code in codes]))
"""
COUNTED = """\
import csv, pathlib, re
module = sys.argv[1]
wanted = [["version", "failing"]]
for path in sorted(pathlib.Path("broken").glob("*.py")):
    pathlib.Path(f"{module}.py").write_text(path.read_text())
    ran = subprocess.run([sys.executable, "-I", "-B", "-c", RUN, f"test_{module}"],
                         capture_output=True, text=True, timeout=20)
    failing = sum(map(int, re.findall(r"(?:failures|errors)=(\\d+)", ran.stderr)))
    wanted.append([path.name, str(failing)])
with open("caught.csv", newline="", encoding="utf-8-sig") as file:
    rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
print(rows[:1] == wanted[:1] and sorted(rows[1:]) == wanted[1:] and all(r[1] != "0" for r in rows))
"""
"""Counts again: how many tests there are is the author's choice."""


class Params(KitParams):
    """Which module, and which broken versions are shown."""

    ruled: str
    shown: tuple[int, ...]
    """Numbers of the rules, from 1, whose broken versions lie there."""


@dataclass(frozen=True)
class World:
    """The project."""

    ruled: Ruled
    contents: dict[str, str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the project from the parameters."""
    d = Draw(p.content)
    ruled = RULED[p.ruled]
    project = d.word("projects")
    rules = "".join(f"{n}. {rule.text}\n" for n, rule in enumerate(ruled.rules, 1))
    contents = surroundings(d, project, package="tools", modules=8, docs=4, others=4)
    for number, place in enumerate(d.shuffled(p.shown), 1):
        contents[f"broken/version_{number}.py"] = ruled.broken(ruled.rules[place - 1])
    contents |= {
        f"{ruled.module}.py": ruled.source,
        "docs/rules.md": f"# Rules of {ruled.module}.py\n\n{rules}",
        "README.md": f"# {project}\n\n`{ruled.module}.py` follows `docs/rules.md`. It has no tests "
        f"at all, and so a few versions went out\nthat broke a rule without anybody noticing; "
        f"{d.person()} keeps some of them in `broken/`.\nTests go beside the module, as "
        f"`test_{ruled.module}.py`, and run with `python3 -m unittest`.\n",
    }
    return World(ruled, below(p.folder, contents))


class CatchBrokenVersions(Kit[Params]):
    """Tests to write."""

    name = "code-runtime/catch-broken-versions"
    title = "Write tests that catch broken versions"
    description = "Write unit tests for every rule of a module, and count what they catch."
    requires = ("python3",)
    folders = ("untested", "price-rules", "rulebook")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more versions to count."""
        ruled = one(rng, sorted(RULED))
        count = {"simple": 2, "medium": 3, "complex": 4}[complexity]
        order = rng.permutation(len(RULED[ruled].rules))[:count]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            ruled=ruled,
            shown=tuple(int(n) + 1 for n in order),
        )

    def seed(self, p: Params) -> Seed:
        """The project."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Write the tests, then count what they catch."""
        f, module = p.folder, world(p).ruled.module
        tests, source, rules = f"{f}/test_{module}.py", f"{f}/{module}.py", f"{f}/docs/rules.md"
        table, broken = f"{f}/caught.csv", f"{f}/broken"
        return (
            SubGoal(
                id="test",
                request=f"write unit tests for {source} in {tests} that pass as it is now and fail "
                f"for any version that breaks one of the rules in {rules}, such as those in "
                f"{broken}",
                label=f"the tests in {tests}",
                facts=(
                    Fact("source", source),
                    Fact("tests", tests),
                    Fact("rules", rules),
                    Fact("broken", broken),
                ),
                artifacts=(tests,),
                question="Are the versions that lie there all that can go wrong?",
                answer="No, they are examples; every rule needs a test",
            ),
            SubGoal(
                id="count",
                request=f"count for each version in {broken} how many of the tests fail with it, "
                f"and write that to {table} with the columns version (its file name) and failing, "
                f"leaving {source} as it is in the end",
                label="the count of failing tests",
                facts=(Fact("broken", broken), Fact("table", table), Fact("source", source)),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """A broken version of every rule fails, the module and a rewriting pass; the counts."""
        w, f = world(p), p.folder
        ruled = w.ruled
        good = [ruled.source, ruled.source.replace(*ruled.rewritten)]
        bad = [ruled.broken(rule) for rule in ruled.rules]

        def probe(code: str) -> tuple[str, ...]:
            return (*CLEAN_PYTHON, "-c", JUDGE + code, ruled.module)

        return (
            Command(
                id="catches",
                subgoal="test",
                weight=2,
                argv=probe(VERSIONS),
                cwd=f,
                stdin=json.dumps([*good, *bad]),
                prints=["passes"] * len(good) + ["fails"] * len(bad),
                timeout_s=60,
                failure="the tests fail for a version that keeps the rules (the first two), or "
                "pass for one that breaks a rule (the others, in the order of the rules)",
            ),
            Command(
                id="counted",
                subgoal="count",
                argv=probe(COUNTED),
                cwd=f,
                stdout=TextMatch(equals="True\n"),
                timeout_s=60,
                failure="caught.csv does not say what a second count says",
            ),
            untouched(w.contents, id="given", failure="the module, a version or a rule changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the rules, write, run; count version by version."""
        return self._test(p, world(p).ruled.rules) if subgoal == "test" else self._count(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Run the tests again, or show the counts."""
        if subgoal == "count":
            (shown,) = yield read(f"{p.folder}/caught.csv")
            return f"I looked again; the table reads:\n{shown.text.strip()}"
        (ran,) = yield sh("python3 -B -m unittest 2>&1 | tail -n 3", workdir=p.folder)
        return f"I ran the tests again as the module is now: {last_line(ran.text)}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Only what the shown versions break; tests that compare the source."""
        ruled = world(p).ruled
        shown = [ruled.rules[number - 1] for number in p.shown]
        # Cases of the shown rules may tell other rules' versions, too; the last rule's do not.
        partial = [rule for rule in shown if rule is not ruled.rules[-1]]
        return (
            WrongSolution("only the shown versions", self._test(p, partial)),
            WrongSolution("the source compared", self._compare(p)),
        )

    def _test(self, p: Params, rules: Sequence[Rule]) -> Solution:
        ruled, here = world(p).ruled, {"workdir": p.folder}
        source, told, versions = yield [
            read(f"{p.folder}/{ruled.module}.py"),
            read(f"{p.folder}/docs/rules.md"),
            sh(f"for v in broken/*.py; do echo $v; diff {ruled.module}.py $v; done", **here),
        ]
        if f"def {ruled.function}" not in source.text:
            return f"{ruled.module}.py is not what I expected."
        (saved,) = yield write(f"{p.folder}/test_{ruled.module}.py", ruled.tests(tuple(rules)))
        if saved.failed:
            return f"The tests could not be written: {saved.text}"
        (ran,) = yield sh("python3 -B -m unittest 2>&1 | tail -n 3", **here)
        (caught,) = yield sh(
            f"for v in broken/*.py; do d=$(mktemp -d); cp test_{ruled.module}.py $d; "
            f"cp $v $d/{ruled.module}.py; "
            "(cd $d && python3 -B -m unittest >/dev/null 2>&1) || echo caught $v; done",
            **here,
        )
        given = sum(line[:1].isdigit() for line in told.text.splitlines())
        return (
            f"{plural(len(rules), 'test')} for {plural(given, 'rule')}: {last_line(ran.text)} with "
            f"the module as it is. They fail with {caught.text.count('caught')} of the "
            f"{versions.text.count('broken/')} broken versions."
        )

    def _count(self, p: Params) -> Solution:
        module = world(p).ruled.module
        (ran,) = yield sh(
            f"cp {module}.py /tmp/kept.py; echo version,failing > caught.csv; "
            f"for v in broken/*.py; do cp $v {module}.py; n=$(python3 -B -m unittest 2>&1 | "
            "grep -oE '(failures|errors)=[0-9]+' | cut -d= -f2 | paste -sd+ | bc); "
            f"echo $(basename $v),${{n:-0}} >> caught.csv; done; cp /tmp/kept.py {module}.py; "
            "cat caught.csv; python3 -B -m unittest 2>&1 | tail -n 1",
            workdir=p.folder,
        )
        rows = [line for line in ran.text.splitlines() if line.startswith("version_")]
        caught = sum(not row.endswith(",0") for row in rows)
        return (
            f"Of {plural(len(rows), 'version')} the tests catch {caught}; caught.csv has the "
            f"counts. The module is back as it was: {last_line(ran.text)}."
        )

    def _compare(self, p: Params) -> Solution:
        ruled = world(p).ruled
        (digest,) = yield sh(f"sha256sum < {ruled.module}.py", workdir=p.folder)
        wanted = digest.text.split()[0]
        (saved,) = yield write(
            f"{p.folder}/test_{ruled.module}.py",
            "import hashlib\nimport unittest\n\n\nclass TestSource(unittest.TestCase):\n"
            f'    def test_source(self):\n        with open("{ruled.module}.py", "rb") as file:\n'
            "            found = hashlib.sha256(file.read()).hexdigest()\n"
            f'        self.assertEqual(found, "{wanted}")\n',
        )
        return f"Any change will be noticed now: {saved.text}"
