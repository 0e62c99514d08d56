"""A playlist whose files were moved, renamed, replaced and thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import PITCHES, Part, recording
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# Playlists

A playlist begins with `#EXTM3U`. Each entry has two lines, `#EXTINF:<seconds>,<title>` and the path
from the folder of the playlist; seconds are whole, rounded half up.

When music was moved about:

1. An entry whose file is there stays.
2. An entry whose file is not there gets the path of the file of the same name (without regard to
   capitals) elsewhere below `music/`, if its length agrees with the entry's seconds. There can be
   several of that name: the length decides.
3. An entry for which nothing fits is taken out. Titles of these go to `lost.txt`, one a line.
4. The same path twice: the first entry stays.
5. Titles and seconds stay as they are, and so does the order. No file is moved or renamed.
"""
SCRIPT = """\
import os, wave
def length(path):
    with wave.open(path) as song:
        return int(song.getnframes() / song.getframerate() + 0.5)
lines = open("LIST").read().splitlines()
there = [os.path.join(at, name) for at, _, names in os.walk("music") for name in names]
entries, lost, seen, moved, twice = [], [], set(), 0, 0
for info, path in zip(lines[1::2], lines[2::2]):
    seconds, title = info[len("#EXTINF:"):].split(",", 1)
    if not os.path.isfile(path):
        name = os.path.basename(path).lower()
        fits = [p for p in sorted(there) if os.path.basename(p).lower() == name and CHOICE]
        if not fits:
            lost.append(title)
            continue
        path = fits[0]
        moved += 1
    if path in seen:
        twice += 1
        continue
    seen.add(path)
    entries += [info, path]
open("LIST", "w").write("\\n".join([lines[0], *entries]) + "\\n")
open("lost.txt", "w").write("".join(title + "\\n" for title in lost))
print(f"kept {len(entries) // 2}, found again {moved}, lost {len(lost)}, twice {twice}")
"""
Entry = tuple[int, str, str]
"""Seconds, title, path."""


class Params(KitParams):
    """The playlist and how many entries it has."""

    name: str
    entries: int = Field(ge=7, le=16)


@dataclass(frozen=True)
class World:
    """Music, the playlist, and what becomes of it."""

    contents: dict[str, str | bytes]
    repaired: list[Entry]
    lost: list[str]


def m3u(entries: list[Entry]) -> str:
    """The playlist as a file."""
    rows = [f"#EXTINF:{seconds},{title}\n{path}\n" for seconds, title, path in entries]
    return "".join(["#EXTM3U\n", *rows])


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive music and playlist from the parameters."""
    d = Draw(p.content)
    f = p.folder
    contents: dict[str, str | bytes] = {**surroundings(p.content, f), f"{f}/PLAYLISTS.md": GUIDE}
    albums = d.different("towns", 4)
    titles = [f"{a} {b}" for a, b in zip(
        d.different("projects", p.entries), d.different("topics", p.entries), strict=True
    )]  # fmt: skip
    fates = ["moved", "double", "lost", "capitals", "twice"]
    fates += [d.pick(("fine", "fine", "moved", "lost")) for _ in range(p.entries - len(fates))]
    listed: list[Entry] = []
    repaired: list[Entry] = []
    lost: list[str] = []

    def song(path: str, seconds: int) -> None:
        parts = [Part(seconds * 1000 + d.integer(-400, 400), d.pick(PITCHES), 2000)]
        contents[f"{f}/{path}"] = recording(parts, 1000)

    for title, fate in zip(titles, d.shuffled(fates), strict=True):
        seconds = d.integer(4, 20)
        name = title.replace(" ", "-") + ".wav"
        old, new = (f"music/{album}/{name}" for album in d.some(albums, 2))
        listed.append((seconds, title.title(), old))
        if fate in ("fine", "twice"):
            song(old, seconds)
            repaired.append(listed[-1])
        elif fate == "lost":
            lost.append(title.title())
            if d.chance(0.5):  # another recording of that name
                song(new, seconds + d.integer(3, 9))
        else:
            new = new.replace(name, name.capitalize()) if fate == "capitals" else new
            song(new, seconds)
            repaired.append((seconds, title.title(), new))
            if fate == "double":
                # Sorts first, so that taking the first of that name is wrong.
                song(f"music/{min(albums)[:1]}-live/{name}", seconds + d.integer(4, 9))
        if fate == "twice":
            again = (seconds, f"{title.title()} (again)", old)
            listed.append(again)
    contents[f"{f}/{p.name}"] = m3u(listed)
    return World(contents, repaired, lost)


class RepairPlaylist(Kit[Params]):
    """A playlist to repair."""

    name = "multimedia/repair-playlist"
    title = "Repair a playlist"
    description = "Find moved songs again by name and length, take out what is lost or there twice."
    tools = ("exec", "read")
    requires = ("python3",)
    obstacle = "several files have the right name; only their length tells which is meant"
    folders = ("jukebox", "radio-show", "dance-floor")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more entries."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            name=one(rng, ("friday.m3u", "opening.m3u", "evening.m3u")),
            entries={"simple": 7, "medium": 11, "complex": 16}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Music, the playlist, the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Repair, then count what is left."""
        playlist, guide = f"{p.folder}/{p.name}", f"{p.folder}/PLAYLISTS.md"
        return (
            SubGoal(
                id="repair",
                request=f"put the playlist {playlist} right by {guide} and tell me how many "
                "entries were lost",
                label=f"the repaired {playlist}",
                facts=(Fact("playlist", playlist), Fact("guide", guide)),
                artifacts=(playlist, f"{p.folder}/lost.txt"),
                question="If several files have one name, which one is meant?",
                answer="The one whose length fits the seconds of the entry",
            ),
            SubGoal(
                id="total",
                request=f"add up the seconds of what is left in {playlist} and tell me the total",
                label=f"the length of {playlist}",
                facts=(Fact("playlist", playlist),),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The playlist, the losses, the figures; music stays."""
        w, f = world(p), p.folder
        return (
            Text(
                id="repaired",
                subgoal="repair",
                weight=3,
                path=f"{f}/{p.name}",
                text=TextMatch(equals=m3u(w.repaired)),
                failure="the playlist does not follow PLAYLISTS.md",
            ),
            Text(
                id="lost",
                subgoal="repair",
                path=f"{f}/lost.txt",
                text=TextMatch(equals="\n".join(w.lost)),
            ),
            Said(id="told-lost", subgoal="repair", number=len(w.lost), unit=("lost", "taken out")),
            Said(
                id="told-total",
                subgoal="total",
                number=sum(seconds for seconds, _, _ in w.repaired),
                unit=("sec", "s\\b"),
            ),
            untouched(
                {k: v for k, v in w.contents.items() if "/music/" in k}, failure="music changed"
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Look for each, by name and length; then add up."""
        return self._repair(p) if subgoal == "repair" else self._total(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """See that every path exists."""
        (left,) = yield sh(
            f'grep -v \'^#\' {p.name} | while read -r s; do [ -f "$s" ] || echo "$s"; done | wc -l',
            workdir=p.folder,
        )
        return f"I checked every path in {p.name}: {left.text.strip()} of them point nowhere."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The first of that name; dead entries dropped without a search."""
        return (
            WrongSolution("first of that name", self._repair(p, choice="True")),
            WrongSolution("dead ones dropped", self._repair(p, choice="False")),
        )

    def _repair(self, p: Params, choice: str = "length(p) == int(seconds)") -> Solution:
        guide, before = yield [
            read(f"{p.folder}/PLAYLISTS.md"),
            sh(f"grep -c '^#EXTINF' {p.name}; find music -type f | wc -l", workdir=p.folder),
        ]
        if "the length decides" not in guide.text:
            return "PLAYLISTS.md does not say how to tell files of one name apart."
        script = SCRIPT.replace("LIST", p.name).replace("CHOICE", choice)
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"The repair stopped: {last_line(done.text)}."
        count = before.text.split()[0]
        kept, again = found(r"kept (\d+)", done.text), found(r"again (\d+)", done.text)
        lost = found(r"lost (\d+)", done.text)
        return (
            f"Of {plural(count, 'entry', 'entries')} in {p.name}, {kept} stay ({again} of them at "
            f"a new path); lost: {lost}."
        )

    def _total(self, p: Params) -> Solution:
        (sums,) = yield sh(
            f"awk -F'[:,]' '/^#EXTINF/ {{ s += $2; n++ }} END {{ print s, n }}' {p.name}",
            workdir=p.folder,
        )
        total, count = sums.text.split()
        return f"The {plural(count, 'entry', 'entries')} last {total} seconds."
