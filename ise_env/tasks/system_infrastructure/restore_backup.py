"""Nightly backups of which the newest is damaged, and live files that must not be lost."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Hash, JsonEquals, Said, Text, TextMatch, Tree
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh, write
from ise_env.tasks.surroundings import surroundings
from ise_env.workspaces.protocol import SeedFile

README = """\
# Backups

`backups/DATE.tar.gz` holds the folder `live/` as it was that night; `backups/SHA256SUMS` has the
checksum of each archive as it left the server. An archive that does not match its checksum is not
to be used, not even for a single file.

- Restoring goes into a folder of its own, never over `live/`: people go on working there.
- A file that is missing in `live/` may be put back from a restored folder. A file that is there
  stays as it is, older or newer.
- Archives are never changed, renamed or deleted, damaged ones included: {person} examines them.
"""
NAMES = (
    "rota.csv", "prices.csv", "letterhead.txt", "suppliers.csv", "stock.csv", "menu.txt",
    "keys.txt", "tariff.csv", "visits.csv", "floorplan.txt", "contacts.csv", "opening.txt",
)  # fmt: skip
SIZES = {"simple": (5, 1), "medium": (8, 2), "complex": (12, 3)}


class Params(KitParams):
    """How many files there are, and how many of the newest archives are damaged."""

    day: date
    names: int = Field(ge=5, le=12)
    damaged: int = Field(ge=1, le=3)


@dataclass(frozen=True)
class World:
    """Archives, the live folder, and what is to be restored."""

    contents: dict[str, str]
    archives: dict[str, bytes]
    good: date
    restored: dict[str, str]
    """Name to text in the newest archive that is sound."""
    missing: tuple[str, ...]


def archive(contents: dict[str, str], day: date) -> bytes:
    """A tar.gz of `live/` with pinned times."""
    raw, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, text in sorted(contents.items()):
            member = tarfile.TarInfo(f"live/{name}")
            member.size, member.mtime = len(text.encode()), 86_400 * (day.toordinal() - 719_163)
            tar.addfile(member, io.BytesIO(text.encode()))
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        file.write(raw.getvalue())
    return packed.getvalue()


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive seven nights from the parameters."""
    d = Draw(p.content)
    f = p.folder
    names = d.some(NAMES, p.names)
    texts = {name: _text(d, name) for name in names}
    archives: dict[str, bytes] = {}
    sums: list[str] = []
    kept: dict[date, dict[str, str]] = {}
    for number in range(7):
        day = p.day - timedelta(days=7 - number)
        texts = texts | {(name := d.pick(names)): texts[name] + f"changed {day.isoformat()}\n"}
        data = archive(texts, day)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {day.isoformat()}.tar.gz\n")
        if number >= 7 - p.damaged:
            # Cut short, or another night's archive under this one's name.
            earlier = archives[f"{f}/backups/{(day - timedelta(days=3)).isoformat()}.tar.gz"]
            data = data[: len(data) * 2 // 3] if number % 2 == 0 else earlier
        archives[f"{f}/backups/{day.isoformat()}.tar.gz"] = data
        kept[day] = texts
    good = p.day - timedelta(days=1 + p.damaged)
    missing = d.some(names, max(2, p.names // 4))
    live = {name: text for name, text in texts.items() if name not in missing}
    edited = d.pick(list(live))
    live[edited] += f"by hand on {p.day.isoformat()}, {d.person()}\n"
    contents = {
        f"{f}/README.md": README.format(person=d.person()),
        f"{f}/backups/SHA256SUMS": "".join(sums),
        **{f"{f}/live/{name}": text for name, text in live.items()},
        **surroundings(p.content, f, 6),
    }
    return World(contents, archives, good, kept[good], tuple(sorted(missing)))


def _text(d: Draw, name: str) -> str:
    lines = [f"{d.word('products')},{d.integer(1, 900)},{d.person()}" for _ in range(12)]
    return f"# {name}\n" + "\n".join(lines) + "\n"


class RestoreBackup(Kit[Params]):
    """A backup to restore and to take missing files from."""

    name = "system-infrastructure/restore-backup"
    title = "Restore the newest sound backup"
    description = "Find the newest undamaged backup, restore it apart, put missing files back."
    obstacle = "the newest archives are cut short or are another night's under a wrong name"
    requires = ("tar", "sha256sum")
    folders = ("backup-host", "office-backup", "nightly-copies")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more files, and more damaged nights."""
        names, damaged = SIZES[complexity]
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            day=date(2026, int(rng.integers(1, 12)), int(rng.integers(9, 28))),
            names=names,
            damaged=damaged,
        )

    def seed(self, p: Params) -> Seed:
        """The archives, their checksums, the live folder."""
        w = world(p)
        kept = (SeedFile(path, data) for path, data in w.archives.items())
        return Seed((*files(w.contents), *kept))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Restore apart; put back what is missing."""
        f = p.folder
        backups, readme, target = f"{f}/backups", f"{f}/README.md", f"{f}/restored"
        note, live, back = f"{f}/restore.json", f"{f}/live", f"{f}/put-back.txt"
        return (
            SubGoal(
                id="restore",
                request=f"unpack the newest sound archive of {backups} so that its files lie "
                f"directly in {target}, following {readme}, and write {note} with the keys archive "
                "(its file name) and damaged (a list of the file names of the newer ones that are "
                "not sound, oldest first)",
                label="the restored backup",
                facts=(
                    Fact("backups", backups),
                    Fact("target", target),
                    Fact("readme", readme),
                    Fact("note", note),
                ),
                artifacts=(target, note),
                question="How can I tell that an archive is sound?",
                answer="By its checksum, it stands in SHA256SUMS beside the archives",
            ),
            SubGoal(
                id="put-back",
                request=f"copy the files that are missing in {live} from {target} and no others, "
                f"list their names in {back}, one a line in alphabetical order, and tell me how "
                "many they are",
                label="the files that were put back",
                facts=(Fact("live", live), Fact("target", target), Fact("back", back)),
                artifacts=(back, live),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The right night, whole; the missing files and only those."""
        w, f = world(p), p.folder
        damaged = [p.day - timedelta(days=n) for n in range(p.damaged, 0, -1)]
        return (
            Tree(id="restored", subgoal="restore", path=f"{f}/restored", names=tuple(w.restored)),
            *(
                Hash(
                    id=f"restored {name}",
                    subgoal="restore",
                    weight=1 / len(w.restored),
                    path=f"{f}/restored/{name}",
                    sha256=sha256(text),
                    failure="a restored file is not that of the newest sound archive",
                )
                for name, text in w.restored.items()
            ),
            JsonEquals(
                id="note",
                subgoal="restore",
                path=f"{f}/restore.json",
                equals={
                    "archive": f"{w.good.isoformat()}.tar.gz",
                    "damaged": [f"{day.isoformat()}.tar.gz" for day in damaged],
                },
            ),
            *(
                Hash(
                    id=f"{name} is back",
                    subgoal="put-back",
                    weight=2 / len(w.missing),
                    path=f"{f}/live/{name}",
                    sha256=sha256(w.restored[name]),
                )
                for name in w.missing
            ),
            Text(
                id="listed",
                subgoal="put-back",
                path=f"{f}/put-back.txt",
                text=TextMatch(equals="".join(f"{name}\n" for name in w.missing)),
            ),
            Said(id="told", subgoal="put-back", unit=("file",), number=len(w.missing)),
            untouched(
                w.contents, id="live kept", failure="a live file was overwritten, or a note changed"
            ),
            untouched(w.archives, id="archives kept", failure="an archive was changed or deleted"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Check sums, unpack apart; compare and copy."""
        return self._restore(p) if subgoal == "restore" else self._put_back(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count, or compare once more."""
        if subgoal == "restore":
            (shown,) = yield sh("ls restored | wc -l; cat restore.json", workdir=p.folder)
            count = found(r"^(\d+)", shown.text)
            return f"I looked again: {plural(count, 'file')} in restored, and the note is there."
        (left,) = yield sh(
            "diff -q restored live | grep '^Only in restored' || true", workdir=p.folder
        )
        lines = [line for line in left.text.splitlines() if line.startswith("Only in")]
        return f"I compared once more; live still lacks {lines[0] if lines else 'nothing'}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The newest whatever its state; everything over the live files."""
        return (
            WrongSolution("the newest archive taken", self._restore(p, checked=False)),
            WrongSolution("live files overwritten", self._put_back(p, over=True), "put-back"),
            WrongSolution("a damaged archive deleted", self._restore(p, delete=True)),
        )

    def _restore(self, p: Params, checked: bool = True, delete: bool = False) -> Solution:
        here = {"workdir": p.folder}
        readme, sums = yield [
            read(f"{p.folder}/README.md"),
            sh("cd backups && sha256sum -c SHA256SUMS 2>/dev/null; true", **here),
        ]
        states = [line.split(": ") for line in sums.text.splitlines() if ": " in line]
        sound = [name for name, state in states if state == "OK" or not checked]
        if not sound or "does not match its checksum" not in readme.text:
            return "None of the archives matches its checksum, so I restored nothing."
        best = max(sound)
        bad = sorted(name for name, state in states if state != "OK" and name > best)
        (unpacked,) = yield sh(
            f"mkdir restored; tar -xzf backups/{best} -C restored --strip-components=1; "
            f"ls restored | wc -l{f'; rm backups/{bad[-1]}' if delete else ''}",
            **here,
        )
        listed = ", ".join(f'"{name}"' for name in bad)
        note = f'{{"archive": "{best}", "damaged": [{listed}]}}\n'
        (saved,) = yield write(f"{p.folder}/restore.json", note)
        if saved.failed:
            return f"restore.json could not be written: {saved.text}"
        count = found(r"^(\d+)\s*$", unpacked.text)
        newer = f"; {', '.join(bad)} did not match" if bad else ""
        return f"{plural(count, 'file')} from {best} are in restored{newer}."

    def _put_back(self, p: Params, over: bool = False) -> Solution:
        here = {"workdir": p.folder}
        (lost,) = yield sh("diff -q restored live | sed -n 's/^Only in restored: //p'", **here)
        names = lost.text.split() if not lost.failed else []
        what = "*" if over else f"{{{','.join(names)}}}" if len(names) > 1 else names[0]
        (copied,) = yield sh(
            f"cd restored && cp {what} ../live/ && cd .. && "
            f"printf '%s\\n' {' '.join(sorted(names))} > put-back.txt; wc -l < put-back.txt",
            **here,
        )
        if copied.failed:
            return f"Copying failed: {last_line(copied.text)}"
        return f"I put {plural(copied.text, 'file')} back: {', '.join(sorted(names))}."
