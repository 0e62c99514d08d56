"""Spoken announcements for the stops of a line, in a voice and at a speed that is laid down."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, Said, Spoken, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

GUIDE = """\
# Announcements

Spoken by espeak-ng, voice `{voice}`, {speed} words a minute, everything else as it comes; one WAV
file a stop in `out/`, named `<number of the stop, two digits>.wav`.

| stop | text |
| --- | --- |
| with no line in `change` | `Next stop: <stop>.` |
| with a line in `change` | `Next stop: <stop>. Change here for line <line>.` |
| the last one | `<stop>. This is the final stop.` |
| closed, see `notices/` | none of these, and no file under its number |

What is said about a closed stop goes into a file of its own, when somebody asks for it:
`{closed}`

Notices hold for the dates they name; these announcements go on air on {day}. The list of stops is
the timetable's and is not edited here.
"""
CLOSED = "The stop <stop> is closed. Please leave at <the open stop before it>."
LOOP = """\
import csv, os, subprocess
stops = list(csv.DictReader(open("stops.csv")))
os.makedirs("out", exist_ok=True)
made = 0
for row in stops:
    if row["stop"] == "CLOSED":
        continue
    text = f"Next stop: {row['stop']}."
    if row["change"]:
        text += f" Change here for line {row['change']}."
    if row is stops[-1]:
        text = f"{row['stop']}. This is the final stop."
    path = f"out/{int(row['number']):02d}.wav"
    subprocess.run(["espeak-ng", "-v", "VOICE", "-s", "SPEED", "-w", path, text], check=True)
    made += 1
print(f"made {made}, last: {text}")
"""


class Params(KitParams):
    """How the line speaks, and how long it is."""

    voice: str
    speed: int = Field(ge=120, le=180)
    stops: int = Field(ge=4, le=9)


@dataclass(frozen=True)
class World:
    """The line and what is said."""

    contents: dict[str, str | bytes]
    said: dict[int, str]
    closed: str
    number: int
    notice: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the line from the parameters."""
    d = Draw(p.content)
    f = p.folder
    stops = d.different("towns", p.stops)
    change = {name: d.integer(2, 19) for name in d.some(stops[1:-1], p.stops // 2)}
    at = d.integer(1, p.stops - 2)
    other = d.pick([name for name in stops[:-1] if name != stops[at]])
    day = d.day(2025, 9)
    rows = [(n, name, change.get(name, "")) for n, name in enumerate(stops, 1)]
    said = {}
    for number, name, line in rows:
        said[number] = f"Next stop: {name}." + (f" Change here for line {line}." if line else "")
    said[p.stops] = f"{stops[-1]}. This is the final stop."
    del said[at + 1]
    guide = GUIDE.format(voice=p.voice, speed=p.speed, closed=CLOSED, day=f"{day:%Y-%m-%d}")
    holds = f"{day.replace(day=1):%Y-%m-%d} to {day.replace(month=10):%Y-%m-%d}"
    over = f"{day.replace(month=3):%Y-%m-%d} to {day.replace(month=4):%Y-%m-%d}"
    contents: dict[str, str | bytes] = {
        **surroundings(p.content, f),
        f"{f}/VOICE.md": guide,
        f"{f}/stops.csv": csv_text(("number", "stop", "change"), rows),
        f"{f}/notices/roadworks.txt": f"Stop closed: {stops[at]}\nFrom {holds}\nCause: roadworks\n",
        f"{f}/notices/market.txt": f"Stop closed: {other}\nFrom {over}\nCause: spring market\n",
        f"{f}/notices/lost-property.txt": f"A grey umbrella was found at {stops[0]}.\n",
    }
    notice = f"The stop {stops[at]} is closed. Please leave at {stops[at - 1]}."
    return World(contents, said, stops[at], at + 1, notice)


class AnnounceStops(Kit[Params]):
    """Stops to announce."""

    name = "multimedia/announce-stops"
    version = 2
    title = "Record the announcements of a line"
    description = "Speak each stop's announcement in a given voice, but for the one that is closed."
    tools = ("exec", "read")
    requires = ("espeak-ng", "python3")
    obstacle = "one stop is closed on the day in question, says one of several notices"
    folders = ("tram-line", "bus-line", "ferry-line")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more stops."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            voice=one(rng, ("en-gb", "en-us")),
            speed=int(rng.integers(12, 19)) * 10,
            stops={"simple": 4, "medium": 6, "complex": 9}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Stops, notices, the guide."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Announce what is open, then what is closed."""
        stops, guide, closed = (
            f"{p.folder}/{n}" for n in ("stops.csv", "VOICE.md", "out/closed.wav")
        )
        return (
            SubGoal(
                id="announce",
                request=f"record the announcements for the stops in {stops} as {guide} lays down",
                label="the announcements of the line",
                facts=(Fact("stops", stops), Fact("guide", guide)),
                artifacts=(f"{p.folder}/out",),
            ),
            SubGoal(
                id="closed",
                request=f"add the announcement {closed} for the stop that is closed, in the words "
                f"{guide} has for it, and tell me which stop that is",
                label="the announcement of the closed stop",
                facts=(Fact("closed", closed), Fact("guide", guide)),
                artifacts=(closed,),
                question="Where are people to leave if a stop is closed?",
                answer="At the last open stop before it",
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What is said in every file; nothing for the closed stop; lists stay."""
        w, f = world(p), p.folder

        def spoken(id: str, subgoal: str, name: str, text: str) -> Check:
            return Spoken(
                id=id,
                subgoal=subgoal,
                path=f"{f}/out/{name}.wav",
                text=text,
                voice=p.voice,
                words_per_minute=p.speed,
                failure=f"out/{name}.wav does not say “{text}” as VOICE.md lays down",
            )

        return (
            *(spoken(f"stop-{n}", "announce", f"{n:02d}", text) for n, text in w.said.items()),
            Absent(
                id="closed-not-called",
                weight=0,
                path=f"{f}/out/{w.number:02d}.wav",
                failure="the closed stop is announced as the next one",
            ),
            spoken("closed", "closed", "closed", w.notice),
            Said(id="told", subgoal="closed", text=TextMatch(contains=(w.closed,))),
            untouched(
                {k: v for k, v in w.contents.items() if "/notices/" in k or k.endswith("stops.csv")}
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the notices, then speak."""
        return self._announce(p) if subgoal == "announce" else self._closed(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at what there is."""
        (shown,) = yield sh("ls -l out | awk 'NR > 1 { print $NF, $5 }'", workdir=p.folder)
        return f"I looked again; the recordings and their sizes:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The closed stop called; the speed forgotten; the names in the wrong order."""
        return (
            WrongSolution("the notices not read", self._announce(p, closed="nowhere")),
            WrongSolution("the default speed", self._announce(p, speed="175")),
            WrongSolution("the list backwards", self._announce(p, order="[::-1]")),
        )

    def _announce(self, p: Params, closed: str = "", speed: str = "", order: str = "") -> Solution:
        guide, notices = yield [
            read(f"{p.folder}/VOICE.md"),
            sh("cat stops.csv; grep -rA1 'Stop closed' notices", workdir=p.folder),
        ]
        voice = found(r"voice `(\S+)`", guide.text)
        pace = speed or found(r"(\d+) words a minute", guide.text)
        shut = closed or _shut(guide.text, notices.text)
        script = LOOP.replace("VOICE", voice).replace("SPEED", pace).replace("CLOSED", shut)
        if order:
            script = script.replace("row['stop']", "stops[-int(row['number'])]['stop']")
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"The recording stopped: {last_line(done.text)}."
        made = found(r"^made (\d+)", done.text)
        return (
            f"{plural(made, 'announcement')} recorded, voice {voice}, {pace} words a minute. "
            f"I left {shut} out, which is closed."
        )

    def _closed(self, p: Params) -> Solution:
        guide, notices = yield [
            read(f"{p.folder}/VOICE.md"),
            sh("cat stops.csv; grep -rA1 'Stop closed' notices", workdir=p.folder),
        ]
        shut = _shut(guide.text, notices.text)
        names = [line.split(",")[1] for line in notices.text.splitlines() if line[:1].isdigit()]
        before = names[names.index(shut) - 1]
        voice = found(r"voice `(\S+)`", guide.text)
        pace = found(r"(\d+) words a minute", guide.text)
        text = found(r"asks for it:\n`(.+)`", guide.text).replace("<stop>", shut)
        text = text.replace("<the open stop before it>", before)
        (done,) = yield sh(
            f"espeak-ng -v {voice} -s {pace} -w out/closed.wav '{text}' && ls -l out/closed.wav",
            workdir=p.folder,
        )
        if done.failed:
            return f"It could not be recorded: {last_line(done.text)}."
        return f"{shut} is closed; out/closed.wav says: {text}"


def _shut(guide: str, notices: str) -> str:
    """The stop whose notice holds on the day in the guide."""
    day = found(r"on air on (\S+)\.", guide)
    rows = notices.splitlines()
    for line, dates in pairwise(rows):
        if "Stop closed: " in line and found(r"From (\S+)", dates) <= day <= dates[-10:]:
            return line.partition("Stop closed: ")[2].strip()
    return ""
