"""Unpack an archive of scanned documents and sort them by what they are."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Archive, Hash, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import as_bytes, files, sha256, untouched
from ise_env.tasks.steps import found, plural, read, sh, write

KINDS = ("invoice", "receipt", "contract", "letter", "quote")


class Params(KitParams):
    """How many documents, and where the archive really lies."""

    documents: int = Field(ge=8, le=24)
    kind: str
    """What the second step packs."""
    misplaced: bool
    """Whether the request names a place where the archive is not."""
    archive: str


@dataclass(frozen=True)
class World:
    """Documents by name, their kinds, and the packed archive."""

    documents: dict[str, str]
    kinds: dict[str, str]
    packed: bytes
    others: dict[str, str]


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the documents from the parameters."""
    d = Draw(p.content)
    documents, kinds = {}, {}
    for number in range(p.documents):
        kind = p.kind if number < 2 else d.pick(KINDS)
        named = d.pick((kind, "scan", "scan", "document", d.pick(KINDS)))
        name = f"{named}-{d.integer(1000, 9999)}{number % 10}.txt"
        documents[name] = (
            f"Date: {d.day(2025).isoformat()}\nFrom: {d.word('companies')}\nType: {kind}\n\n"
            f"{d.word('products').capitalize()}, {d.integer(1, 40)} pieces, "
            f"total {money(d.cents(15, 2500))}.\nSigned, {d.person()}\n"
        )
        kinds[name] = kind
    order = d.shuffled(sorted(documents))
    packed = _tar_gz({f"inbox/{d.pick(('a', 'b', 'c'))}/{name}": documents[name] for name in order})
    others = {f"{p.folder}/readme.txt": f"Scanned by {d.person()} on the third floor.\n"}
    return World(documents, kinds, packed, others)


class SortArchive(Kit[Params]):
    """An archive to sort."""

    name = "file-io/sort-archive"
    title = "Unpack an archive and sort its documents"
    description = "Sort the documents of a tar archive into folders by type; pack one type as zip."
    obstacle = "the archive is not where the request says"
    requires = ("tar",)
    folders = ("dropbox", "scans", "mailroom")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more documents, and an archive that lies elsewhere."""
        d = Draw(content_seed(rng))
        misplaced = complexity != "simple"
        where = d.pick(("incoming", "2025", "from-scanner")) + "/" if misplaced else ""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            documents={"simple": 8, "medium": 14, "complex": 24}[complexity],
            kind=d.pick(KINDS),
            misplaced=misplaced,
            archive=f"{where}inbox-{d.word('topics')}.tar.gz",
        )

    def seed(self, p: Params) -> Seed:
        """The archive and a readme."""
        w = world(p)
        return Seed(files({f"{p.folder}/{p.archive}": w.packed, **w.others}))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Sort, then pack one kind."""
        said = f"{p.folder}/{p.archive.split('/')[-1]}"
        real = f"{p.folder}/{p.archive}"
        target, zipped = f"{p.folder}/sorted", f"{p.folder}/{p.kind}s.zip"
        return (
            SubGoal(
                id="sort",
                request=f"unpack {said} and put each of its documents into a folder below {target} "
                "named after what its `Type:` line says, with their file names as they are, and "
                f"nothing else in {target}",
                label="the sorted documents",
                facts=(Fact("target", target),),
                artifacts=(target,),
                question=f"There is no {said}; which archive do you mean?" if p.misplaced else "",
                answer=f"Sorry, it should be {real}" if p.misplaced else "",
            ),
            SubGoal(
                id="pack",
                request=f"pack the documents of type {p.kind} into {zipped} without any folders "
                "inside the zip, and leave the sorted ones where they are",
                label=f"the zip of {p.kind}s",
                facts=(Fact("kind", p.kind), Fact("zip", zipped)),
                artifacts=(zipped,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Names, contents, the zip's members; the archive itself stays."""
        w = world(p)
        placed = {f"{w.kinds[name]}/{name}": text for name, text in w.documents.items()}
        packed = {name: text for name, text in w.documents.items() if w.kinds[name] == p.kind}
        target = f"{p.folder}/sorted"
        return (
            Tree(id="names", subgoal="sort", path=target, names=tuple(sorted(placed))),
            Unchanged(
                id="contents",
                subgoal="sort",
                sha256={f"{target}/{name}": sha256(text) for name, text in placed.items()},
                failure="a document is missing or altered",
            ),
            Archive(
                id="zip",
                subgoal="pack",
                path=f"{p.folder}/{p.kind}s.zip",
                format="zip",
                names=tuple(sorted(packed)),
                sha256={name: sha256(text) for name, text in packed.items()},
            ),
            Hash(
                id="archive",
                path=f"{p.folder}/{p.archive}",
                sha256=sha256(w.packed),
                weight=0,
                forbidden=True,
                failure="the archive itself was moved or changed",
            ),
            untouched(w.others),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Find the archive, unpack aside, place by type; zip with Python."""
        return self._sort(p, by_name=False) if subgoal == "sort" else self._pack(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """List what is there."""
        if subgoal == "sort":
            (shown,) = yield sh(f"cd {p.folder}/sorted && for d in */; do ls $d | wc -l; done; ls")
            (total,) = yield sh(f"find {p.folder}/sorted -type f | wc -l")
            numbers = shown.text.split()
            half = len(numbers) // 2
            by = ", ".join(f"{b} {a}" for a, b in zip(numbers[:half], numbers[half:], strict=False))
            return f"There are {plural(total.text, 'file')}, by folder: {by}."
        (shown,) = yield sh(f"python3 -m zipfile -l {p.folder}/{p.kind}s.zip | tail -n +2")
        return (
            f"The zip holds "
            f"{plural(len(shown.text.strip().splitlines()), 'file')}:\n{shown.text.strip()}"
        )

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Believing file names; zipping with the folder."""
        return (
            WrongSolution("sorted by name", self._sort(p, by_name=True)),
            WrongSolution("zip with folders", self._pack(p, "-r"), "pack"),
        )

    def _sort(self, p: Params, by_name: bool) -> Solution:
        name = p.archive.split("/")[-1]
        path = f"{p.folder}/{name}"
        (places,) = yield sh(f"find {p.folder} -name '*.tar.gz' -o -name '*.tgz'")
        moved = ""
        if path not in places.text.split():
            path = places.text.strip().splitlines()[0]
            moved = f" The archive was at {path}."
        (listing,) = yield sh(f"tar -tzf {path}")
        example = listing.text.strip().splitlines()[-1]
        (sample,) = yield sh(f"tar -xzf {path} -O {example}")
        field = found(r"^(Type): ", sample.text)
        kind = "${name%%-*}" if by_name else f"$(sed -n 's/^{field}: //p' \"$file\")"
        script = (
            'set -eu\ncd "$(dirname "$0")"\nwork=$(mktemp -d)\n'
            f"tar -xzf {path[len(p.folder) + 1 :]} "
            '-C "$work"\nfind "$work" -type f | while read -r file; do\n'
            f'  name=$(basename "$file")\n  kind={kind}\n  mkdir -p "sorted/$kind"\n'
            '  cp "$file" "sorted/$kind/$name"\ndone\nrm -rf "$work"\n'
        )
        (saved,) = yield write(f"{p.folder}/sort.sh", script)
        if saved.failed:
            return f"The script could not be written: {saved.text}"
        (ran,) = yield sh(
            "bash sort.sh && rm sort.sh && find sorted -type f | wc -l", workdir=p.folder
        )
        (folders,) = yield sh(f"ls {p.folder}/sorted")
        kinds = ", ".join(folders.text.split())
        return f"I sorted {plural(ran.text, 'document')} into {kinds}.{moved}"

    def _pack(self, p: Params, mode: str = "-j") -> Solution:
        zipped = f"{p.folder}/{p.kind}s.zip"
        (listing,) = yield sh(f"ls {p.folder}/sorted/{p.kind}; command -v zip || echo no zip")
        names = [line for line in listing.text.split() if line.endswith(".txt")]
        inside = "name" if mode == "-j" else f"'{p.kind}/' + name"
        program = (
            "import sys, zipfile\n"
            f"with zipfile.ZipFile('{zipped}', 'w', zipfile.ZIP_DEFLATED) as z:\n"
            "    for name in sys.argv[1:]:\n"
            f"        z.write('{p.folder}/sorted/{p.kind}/' + name, {inside})\n"
        )
        (made,) = yield sh(f"python3 - {' '.join(names)} <<'EOF'\n{program}EOF")
        if made.failed:
            return f"Zipping failed: {made.text}"
        (shown,) = yield sh(f"python3 -m zipfile -l {zipped}")
        one_name = found(r"^(\S+\.txt)", shown.text)
        (kept,) = yield read(f"{p.folder}/sorted/{p.kind}/{names[0]}")
        count = len(shown.text.strip().splitlines()) - 1
        first = kept.text.splitlines()[0]
        return (
            f"{zipped} holds {plural(count, 'file')}, such as {one_name}; the sorted ones "
            f"stay ({first})."
        )


def _tar_gz(contents: dict[str, str]) -> bytes:
    """A tar.gz whose bytes depend on the contents only."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, text in contents.items():
            data = as_bytes(text)
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_767_225_600
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 9, mtime=0)
