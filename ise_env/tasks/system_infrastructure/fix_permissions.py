"""A shared folder whose modes have drifted from the policy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import PINNED, files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write
from ise_env.workspaces.protocol import SeedFile

POLICIES = (
    (0o750, 0o640, 0o750, 0o600),
    (0o755, 0o644, 0o755, 0o600),
    (0o770, 0o660, 0o770, 0o400),
)
"""Folders, files, scripts, private files."""
DRIFTED = (0o666, 0o777, 0o606, 0o664, 0o600, 0o755, 0o646)
SIZES = {"simple": 8, "medium": 16, "complex": 30}

POLICY = """\
# Modes in {share}/

- folders: {folder:o}
- files: {file:o}
- scripts (names that end in .sh), wherever they are: {script:o}
- files in a folder named `private`, scripts included: {private:o}
- Links are left alone, and so is what they point to outside of {share}/.
"""


class Params(KitParams):
    """Which policy, and how many files have drifted."""

    share: str
    policy: int = Field(ge=0, le=2)
    number: int = Field(ge=8, le=30)


@dataclass(frozen=True)
class World:
    """Files with their modes, before and after."""

    seeds: tuple[SeedFile, ...]
    folders: tuple[str, ...]
    wanted: dict[str, int]
    """Path below the kit's folder to mode, folders included."""
    open: list[str]
    """Files that anybody may write to."""
    vault: str
    contents: dict[str, str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the share from the parameters."""
    d = Draw(p.content)
    folder, plain, script, private = POLICIES[p.policy]
    places = ["", *d.some(("reports", "tools", "team/notes", "team", "intake"), 4), "private"]
    if d.chance(0.5):
        places.append("tools/private")
    wanted: dict[str, int] = {}
    seeds, open_ = list[SeedFile](), list[str]()
    contents: dict[str, str] = {}
    for number in range(p.number):
        place = places[number % len(places)]
        ending = d.pick((".sh", ".md", ".csv", ".txt"))
        path = "/".join(x for x in (p.share, place, f"{d.word('topics')}-{number}{ending}") if x)
        mode = d.pick(DRIFTED) if number > 2 else (0o666, 0o777, 0o644)[number]
        text = f"# {d.person()}\n" if ending == ".sh" else f"{d.word('companies')}\n"
        seeds.append(SeedFile(f"{p.folder}/{path}", text.encode(), mode))
        contents[f"{p.folder}/{path}"] = text
        if mode & 0o002:
            open_.append(path)
        in_private = place.split("/")[-1] == "private"
        wanted[path] = private if in_private else script if ending == ".sh" else plain
        for depth in range(1, path.count("/") + 1):
            wanted["/".join(path.split("/")[:depth])] = folder
    vault = f"vault/{d.word('services')}.key"
    rest = {
        f"{p.folder}/POLICY.md": POLICY.format(
            share=p.share, folder=folder, file=plain, script=script, private=private
        ),
    }
    contents |= rest
    key = SeedFile(f"{p.folder}/{vault}", f"{d.integer(10**9, 10**10)}\n".encode(), 0o604)
    folders = tuple(
        sorted(
            name
            for name, mode in wanted.items()
            if mode == folder and name not in {s.path.removeprefix(f"{p.folder}/") for s in seeds}
        )
    )
    return World((*seeds, key, *files(rest)), folders, wanted, sorted(open_), vault, contents)


class FixPermissions(Kit[Params]):
    """Modes to bring in line."""

    name = "system-infrastructure/fix-permissions"
    title = "Bring file modes in line with a policy"
    description = "List what anybody may write to, then set all modes in a share by a policy."
    obstacle = "a link that leads out of the share to a file whose mode must stay"
    folders = ("fileserver", "shared-drive", "nas")
    version = 2
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more files in more folders."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            share=one(rng, ("share", "common", "public", "exchange")),
            policy=int(rng.integers(len(POLICIES))),
            number=SIZES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Files with modes of all sorts, and a link to a key outside."""
        w = world(p)
        modes = "".join(
            f"chmod {0o777 if n % 3 else 0o700:o} '{p.folder}/{name}'\n"
            for n, name in enumerate(w.folders)
        )
        key = f"'{p.folder}/{p.share}/current.key'"
        link = f"ln -s ../{w.vault} {key}\n{PINNED} {key} '{p.folder}/{p.share}'\n"
        return Seed(w.seeds, setup=(f"set -eu\n{link}{modes}",))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The audit, then the repair."""
        share, policy, audit = (f"{p.folder}/{n}" for n in (p.share, "POLICY.md", "audit.txt"))
        return (
            SubGoal(
                id="audit",
                request=f"find the regular files below {share} that anybody may write to and list "
                f"their paths in {audit}, one a line, starting with {p.share}/",
                label="the audit of open files",
                facts=(Fact("share", share), Fact("audit", audit)),
                artifacts=(audit,),
            ),
            SubGoal(
                id="repair",
                request=f"set the modes of all files and folders in {share} as {policy} says",
                label=f"the modes in {share}",
                facts=(Fact("share", share), Fact("policy", policy)),
                artifacts=(share,),
                question="What about links that point out of the share?",
                answer="Leave such a link and what it points to alone",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every mode; the key outside untouched."""
        w, f = world(p), p.folder
        names = sorted(w.wanted)
        return (
            Command(
                id="audited",
                subgoal="audit",
                argv=("env", "LC_ALL=C", "sort", "audit.txt"),
                cwd=f,
                stdout=TextMatch(equals="\n".join(w.open)),
                failure="the audit does not list just the files that anybody could write to",
            ),
            Command(
                id="modes",
                subgoal="repair",
                weight=2,
                argv=("stat", "-c", "%a %n", *names),
                cwd=f,
                stdout=TextMatch(equals="".join(f"{w.wanted[n]:o} {n}\n" for n in names)),
                failure="a mode is not what the policy says",
            ),
            Command(
                id="vault",
                argv=("stat", "-c", "%a", w.vault),
                cwd=f,
                stdout=TextMatch(equals="604"),
                weight=0,
                forbidden=True,
                failure="the mode of a file outside of the share was changed",
            ),
            untouched(w.contents, failure="a file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find and list; chmod by kind, private last."""
        return self._audit(p) if subgoal == "audit" else self._repair(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count what is open now."""
        (now,) = yield sh(
            f"wc -l < audit.txt; find {p.share} -type f -perm -o=w | wc -l; find {p.share} | wc -l",
            workdir=p.folder,
        )
        listed, left, of = now.text.split()
        return f"I looked again: {listed} in the audit; writable for anybody now: {left} of {of}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Following the link; one mode for everything."""
        return (
            WrongSolution("link followed", self._repair(p, kind=""), "repair"),
            WrongSolution("one mode for all files", self._coarse(p), "repair"),
        )

    def _audit(self, p: Params) -> Solution:
        f = p.folder
        (tree,) = yield sh(f"ls -lR {p.share} | head -n 60", workdir=f)
        (opened,) = yield sh(f"find {p.share} -type f -perm -o=w | LC_ALL=C sort", workdir=f)
        names = [line for line in opened.text.splitlines() if line.startswith(p.share)]
        (saved,) = yield write(f"{f}/audit.txt", "\n".join(names) + "\n")
        if saved.failed:
            return f"The audit could not be written: {saved.text}"
        (counted,) = yield sh(f"wc -l {f}/audit.txt")
        links = tree.text.count(" -> ")
        number = found(r"^(\d+)", counted.text)
        return (
            f"Anybody may write to {plural(number, 'file')}, listed in {f}/audit.txt. Links "
            f"seen: {links}."
        )

    def _repair(self, p: Params, kind: str = "-type f") -> Solution:
        f, here = p.folder, {"workdir": p.folder}
        (policy,) = yield read(f"{f}/POLICY.md")
        folder, plain, script, private = (
            found(rf"^- {name}.*: (\d+)$", policy.text)
            for name in ("folders", "files:?(?! in)", "scripts", "files in")
        )
        (done,) = yield sh(
            f"find {p.share} {kind or '! -type d'} -exec chmod {plain} {{}} + && "
            f"find {p.share} -type f -name '*.sh' -exec chmod {script} {{}} + && "
            f"find {p.share} -type f -path '*/private/*' -exec chmod {private} {{}} + && "
            f"find {p.share} -depth -type d -exec chmod {folder} {{}} +",
            **here,
        )
        if done.failed:
            return f"chmod complained: {done.text}"
        (modes,) = yield sh(
            f"find {p.share} -type f -printf '%m\\n' | sort | uniq -c; "
            f"find {p.share} -type d -printf '%m\\n' | sort | uniq -c",
            **here,
        )
        (link,) = yield sh("stat -L -c '%a' */current.key; ls -l */current.key", **here)
        seen = ", ".join(f"{m} ({n})" for n, m in (x.split() for x in modes.text.splitlines()))
        return f"All modes are set: {seen}. What the link points to has {link.text.split()[0]}."

    def _coarse(self, p: Params) -> Solution:
        (done,) = yield sh(
            f"find {p.share} -type f -exec chmod 640 {{}} +; find {p.share} -type d -exec chmod 750"
            " {} +; ls",
            workdir=p.folder,
        )
        return f"All set: {done.text.strip()}"
