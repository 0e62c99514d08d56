"""Archives inside of an archive, with one that is not where the request says."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import Content, as_bytes, files, sha256, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": (2, 3), "medium": (3, 4), "complex": (4, 7)}
"""Branches, documents of each."""

RULES = """\
# How a delivery is unpacked

- A delivery is an archive with one archive for each branch inside, `BRANCH.zip` or
  `BRANCH.tar.gz`, and those may hold archives of the same kinds again, at any depth. Archives are
  told by their first bytes: endings are not to be trusted.
- Every file that is no archive goes to `flat/BRANCH/NAME`, NAME without any folder. When two of a
  branch have one NAME and the same content, one is kept; when their contents differ, they are both
  kept as `STEM~1.ENDING` and `STEM~2.ENDING`, in the order of their whole paths: what lies in an
  inner archive has that archive's path and a slash in front of its own (`BRANCH.zip/may/x.txt`).
- A member whose path begins with `/` or has a `..` in it is not unpacked anywhere. Neither are
  empty files. What lies beside the branches' archives at the top belongs to nobody and is left out.
- `flat/` holds nothing else. The delivery itself stays as it is.
- `index.csv` has the columns branch, files and bytes, a row for each branch in `flat/`.
"""

UNPACK = """\
import io, os, shutil, sys, tarfile, zipfile
from collections import defaultdict
shutil.rmtree("flat", ignore_errors=True)
def members(data):
    if data[:4] == b"PK\\x03\\x04":
        archive = zipfile.ZipFile(io.BytesIO(data))
        return [(i.filename, archive.read(i)) for i in archive.infolist() if not i.is_dir()]
    if data[:2] == b"\\x1f\\x8b":
        archive = tarfile.open(fileobj=io.BytesIO(data))
        return [(m.name, archive.extractfile(m).read()) for m in archive if m.isfile()]
    return None
def walk(data, path):
    for name, inside in members(data):
        if name.startswith("/") or ".." in name.split("/"):
            continue
        if members(inside) is None:
            yield f"{path}/{name}", inside
        else:
            yield from walk(inside, f"{path}/{name}")
for name, data in members(open(sys.argv[1], "rb").read()):
    if members(data) is None:
        continue
    branch = os.path.basename(name).partition(".")[0]
    found = defaultdict(dict)
    for path, text in sorted(walk(data, name)):
        if text:
            found[os.path.basename(path)].setdefault(text, path)
    os.makedirs(f"flat/{branch}", exist_ok=True)
    for base, versions in found.items():
        stem, ending = os.path.splitext(base)
        for number, text in enumerate(versions, 1):
            target = f"{stem}~{number}{ending}" if len(versions) > 1 else base
            open(f"flat/{branch}/{target}", "wb").write(text)
"""

INDEX = """\
import csv, os
with open("index.csv", "w", newline="") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(("branch", "files", "bytes"))
    for branch in sorted(os.listdir("flat")):
        sizes = [os.path.getsize(f"flat/{branch}/{n}") for n in os.listdir(f"flat/{branch}")]
        out.writerow((branch, len(sizes), sum(sizes)))
"""


class Params(KitParams):
    """Where the delivery lies, and how much is in it."""

    delivery: str
    said: str
    """The path in the request; another one where the request is wrong."""
    branches: int = Field(ge=2, le=4)
    documents: int = Field(ge=3, le=7)


@dataclass(frozen=True)
class World:
    """The delivery, and what it unpacks to."""

    contents: dict[str, Content]
    flat: dict[str, str]
    """Names below `flat/` to texts."""

    @property
    def index(self) -> list[tuple[str, str, str]]:
        """Files and bytes of each branch."""
        rows = []
        for branch in sorted({name.split("/")[0] for name in self.flat}):
            texts = [t for name, t in self.flat.items() if name.split("/")[0] == branch]
            rows.append((branch, str(len(texts)), str(sum(len(t.encode()) for t in texts))))
        return rows


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the documents from the parameters and pack them."""
    d = Draw(p.content)

    def paper() -> str:
        return f"{d.day(2025)}, {d.person()}: {d.word('products')}, {money(d.cents(3, 900))}.\n"

    flat, top = dict[str, str](), dict[str, Content]()
    for number, town in enumerate(d.different("towns", p.branches)):
        branch = town.lower().replace(" ", "-")
        inner: dict[str, Content] = {}
        outer: dict[str, Content] = {}
        for at in range(p.documents):
            base, text = f"{d.word('topics')}-{at}.txt", paper()
            (inner if at % 2 else outer)[f"{d.pick(('may', 'june'))}/{base}"] = text
            flat[f"{branch}/{base}"] = text
        # The same name twice: once with one content, once with two.
        same, first, second = paper(), paper(), paper()
        outer["a/notice.txt"] = inner["b/notice.txt"] = same
        flat[f"{branch}/notice.txt"] = same
        outer["a/total.csv"], inner["a/total.csv"] = first, second
        outer["june/nothing.txt"] = ""
        outer["../intruder.txt"] = "not for you\n"
        nested = ("zz-more.zip", "0-more.dat")[number % 2]
        outer[f"more/{nested}"] = _zipped(inner) if number % 2 else _tarred(inner)
        # `a/...` sorts before `more/...`, whatever the inner archive is called.
        flat[f"{branch}/total~1.csv"], flat[f"{branch}/total~2.csv"] = first, second
        top[f"{branch}.{'zip' if number % 2 else 'tar.gz'}"] = (
            _tarred(outer) if number % 3 == 2 else _zipped(outer)
        )
    top["covering-letter.txt"] = f"With kind regards, {d.person()}\n"
    f = p.folder
    contents: dict[str, Content] = {
        f"{f}/{p.delivery}": _tarred(top),
        f"{f}/incoming/2024/delivery-old.tar.gz": _tarred({"readme.txt": "Settled last year.\n"}),
        f"{f}/RULES.md": RULES,
        **surroundings(p.content, f),
    }
    return World(contents, flat)


def _zipped(contents: dict[str, Content]) -> bytes:
    """A zip whose bytes depend on the contents only."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 6, 2, 8, 0, 0)), as_bytes(content))
    return raw.getvalue()


def _tarred(contents: dict[str, Content]) -> bytes:
    """A tar.gz whose bytes depend on the contents only."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in contents.items():
            data = as_bytes(content)
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_748_851_200
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 9, mtime=0)


class UnpackNested(Kit[Params]):
    """A delivery to unpack."""

    name = "file-io/unpack-nested"
    title = "Unpack archives inside of archives"
    description = "Flatten nested archives by branch, settle clashes of names, index the result."
    obstacle = "the path in the request is wrong, endings lie, and a member wants out of its folder"
    folders = ("deliveries", "branch-mail", "nested-archives")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more in it, and a request that names the wrong place."""
        branches, documents = SIZES[complexity]
        d = Draw(content_seed(rng))
        name = f"delivery-{d.word('projects')}.tar.gz"
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            delivery=f"incoming/{d.pick(('june', '2025'))}/{name}",
            said=name,
            branches=branches,
            documents=documents,
        )

    def seed(self, p: Params) -> Seed:
        """The delivery, an old one, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Unpack, then index."""
        said, rules, flat, index = (
            f"{p.folder}/{n}" for n in (p.said, "RULES.md", "flat", "index.csv")
        )
        return (
            SubGoal(
                id="unpack",
                request=f"unpack {said} with everything packed inside of it into {flat}, by the "
                f"rules in {rules}, and tell me how many files came out",
                label="the unpacked delivery",
                facts=(Fact("said", said), Fact("flat", flat), Fact("rules", rules)),
                artifacts=(flat,),
                question=f"There is no {said}; which archive do you mean?",
                answer=f"Sorry, it should be {p.folder}/{p.delivery}",
            ),
            SubGoal(
                id="index",
                request=f"write {index} about what is in {flat}, see {rules} for its form",
                label="the index of the branches",
                facts=(Fact("index", index), Fact("flat", flat), Fact("rules", rules)),
                artifacts=(index,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Names and contents, the index; the delivery stays."""
        w, f = world(p), p.folder
        return (
            Tree(id="names", subgoal="unpack", path=f"{f}/flat", names=tuple(w.flat)),
            Unchanged(
                id="contents",
                subgoal="unpack",
                weight=2,
                sha256={f"{f}/flat/{name}": sha256(text) for name, text in w.flat.items()},
                failure="a file is missing or has another one's content",
            ),
            Said(id="told", subgoal="unpack", unit=("files?", "came out"), number=len(w.flat)),
            CsvRows(
                id="index",
                subgoal="index",
                path=f"{f}/index.csv",
                columns=("branch", "files", "bytes"),
                rows=tuple(w.index),
            ),
            untouched(w.contents, failure="the delivery or another file was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the delivery, unpack in memory, settle clashes; count."""
        return self._unpack(p) if subgoal == "unpack" else self._index(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count what came out, or look at the index."""
        if subgoal == "unpack":
            (listing,) = yield sh("find flat -type f | sort | head -n 3", workdir=p.folder)
            return f"I looked again; the first ones are {', '.join(listing.text.split())}."
        (shown,) = yield read(f"{p.folder}/index.csv")
        return f"I looked again; the index reads:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The outer archives only; the last of a name wins."""
        outer = UNPACK.replace("if members(inside) is None:", "if True:")
        last = UNPACK.replace('f"{stem}~{number}{ending}" if len(versions) > 1 else base', "base")
        return (
            WrongSolution("inner archives left packed", self._unpack(p, outer)),
            WrongSolution("clashing names overwritten", self._unpack(p, last)),
        )

    def _unpack(self, p: Params, program: str = UNPACK) -> Solution:
        f = p.folder
        rules, places = yield [
            read(f"{f}/RULES.md"),
            sh(f"find . -name {p.said} -printf '%P\\n'", workdir=f),
        ]
        if "flat/" not in rules.text:
            return "The rules do not say where things go."
        path = found(rf"^(\S*{p.said})$", places.text)
        (ran,) = yield python(program, path, workdir=f)
        if ran.failed:
            return f"The delivery could not be unpacked: {ran.text.strip()}"
        (count,) = yield sh("find flat -type f | wc -l; ls flat", workdir=f)
        number, *branches = count.text.split()
        return (
            f"{plural(number, 'file')} came out.\nThe delivery was at {f}/{path}; its branches are "
            f"{', '.join(branches)}."
        )

    def _index(self, p: Params) -> Solution:
        (ran,) = yield python(INDEX, workdir=p.folder)
        if ran.failed:
            return f"The index could not be written: {ran.text.strip()}"
        (shown,) = yield sh("tail -n +2 index.csv", workdir=p.folder)
        rows = [line.split(",") for line in shown.text.split()]
        said = "; ".join(f"{branch} has {n} files of {size} bytes" for branch, n, size in rows)
        return f"The index is written: {said}."
