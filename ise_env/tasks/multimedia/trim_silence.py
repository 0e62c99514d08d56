"""Voice memos that begin and end with a quiet room, and have pauses that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Absent, CsvRows, Said, Sound, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.multimedia._sound import PITCHES, Part, heard, recording, seconds, silence
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

HUM = 60
EDGE_MS = 100
RULES = """\
# Trimming

- Quiet is whatever stays below an amplitude of 400 (of 32767): the room hums.
- Cut the quiet at the beginning and at the end of each memo, but leave 100 ms of it on both sides.
- Pauses in between belong to what was said. They stay as long as they are.
- The trimmed memo goes to `trimmed/` under the same name: WAV, 16 bit, mono, same sample rate.
- A memo in which nobody says anything is not trimmed; `empty.txt` has the names of those, one a
  line.
- The memos themselves are never changed.
"""
SCRIPT = """\
import array, glob, os, wave
os.makedirs("trimmed", exist_ok=True)
empty = []
for path in sorted(glob.glob("memos/*.wav")):
    with wave.open(path) as take:
        rate, data = take.getframerate(), array.array("h", take.readframes(take.getnframes()))
    loud = [n for n, value in enumerate(data) if abs(value) >= LIMIT]
    name = os.path.basename(path)
    if not loud:
        empty.append(name)
        continue
    edge = rate // 10
    kept = data[max(loud[0] - edge, 0):loud[-1] + edge + 1]
    with wave.open("trimmed/" + name, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(kept.tobytes())
    print(f"{name}: {len(data) / rate:.2f} s -> {len(kept) / rate:.2f} s")
open("empty.txt", "w").write("".join(name + "\\n" for name in empty))
print(f"nothing said in: {', '.join(empty) or 'none'}")
"""
TABLE = """\
import csv, glob, os, wave
def length(path):
    with wave.open(path) as take:
        return take.getnframes() / take.getframerate()
saved = 0
with open("lengths.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["file", "before", "after"])
    for path in sorted(glob.glob("trimmed/*.wav")):
        name = os.path.basename(path)
        before, after = length("memos/" + name), length(path)
        saved += before - after
        table.writerow([name, f"{before:.2f}", f"{after:.2f}"])
print(f"saved {saved:.1f}")
"""


class Params(KitParams):
    """How many memos there are."""

    memos: int = Field(ge=4, le=9)


@dataclass(frozen=True)
class World:
    """Memos, and what is left of each."""

    contents: dict[str, str | bytes]
    kept: dict[str, list[Part]]
    before: dict[str, float]
    empty: str


@lru_cache(maxsize=16)
def world(p: Params) -> World:
    """Derive the memos from the parameters."""
    d = Draw(p.content)
    contents: dict[str, str | bytes] = {**surroundings(p.content, p.folder)}
    contents[f"{p.folder}/TRIM.md"] = RULES
    kept: dict[str, list[Part]] = {}
    before: dict[str, float] = {}
    words = d.different("topics", p.memos)
    names = [f"{number:02d}-{word}.wav" for number, word in enumerate(words, 1)]
    empty = d.pick(names[1:])
    for name in names:
        lead, tail = (silence(d.integer(5, 16) * 100, HUM) for _ in range(2))
        pitches = d.some(PITCHES, 3)
        pauses = [silence(d.integer(2, 6) * 100, HUM), silence(d.integer(14, 20) * 100, HUM)]
        said = [Part(d.integer(4, 9) * 100, hz, d.integer(3, 9) * 1000) for hz in pitches]
        middle = [said[0], *d.shuffled(pauses)[:1], said[1], pauses[0], said[2]]
        if name == empty:
            middle = [silence(1500, HUM)]
        else:
            kept[name] = [silence(EDGE_MS, HUM), *middle, silence(EDGE_MS, HUM)]
        before[name] = seconds([lead, *middle, tail])
        contents[f"{p.folder}/memos/{name}"] = recording([lead, *middle, tail])
    return World(contents, kept, before, empty)


class TrimSilence(Kit[Params]):
    """Memos to trim."""

    name = "multimedia/trim-silence"
    title = "Trim the silence off voice memos"
    description = (
        "Cut the quiet before and after what is said, keep pauses, and tell what it saved."
    )
    tools = ("exec", "read")
    requires = ("python3",)
    obstacle = "the silence hums, pauses inside must stay, and one memo has nothing in it"
    folders = ("voice-memos", "dictation", "interview-takes")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more memos."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            memos={"simple": 4, "medium": 6, "complex": 9}[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Memos, the rules, and what else lies there."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Trim, then account for it."""
        memos, rules, table = (f"{p.folder}/{n}" for n in ("memos", "TRIM.md", "lengths.csv"))
        return (
            SubGoal(
                id="trim",
                request=f"trim the voice memos in {memos} by the rules in {rules}",
                label="the trimmed memos",
                facts=(Fact("memos", memos), Fact("rules", rules)),
                artifacts=(f"{p.folder}/trimmed", f"{p.folder}/empty.txt"),
                question="Do pauses between two sentences count as silence?",
                answer="No, only what comes before and after; TRIM.md says so",
            ),
            SubGoal(
                id="table",
                request=f"write {table} with the columns file, before and after, the seconds of "
                "every trimmed memo with two decimals, and tell me how many seconds that saved",
                label="the table of lengths",
                facts=(Fact("table", table),),
                artifacts=(table,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """What is heard when, the empty one, the table; memos stay."""
        w, f = world(p), p.folder
        trimmed = tuple(
            Sound(
                id=f"trimmed-{name[:2]}",
                subgoal="trim",
                path=f"{f}/trimmed/{name}",
                duration_s=seconds(parts),
                duration_tolerance=0.06,
                sample_rate=8000,
                channels=1,
                sample_bits=16,
                tones=heard(parts),
                failure=f"{name} was not trimmed as TRIM.md says",
            )
            for name, parts in w.kept.items()
        )
        rows = [(n, f"{w.before[n]:.2f}", f"{seconds(parts):.2f}") for n, parts in w.kept.items()]
        saved = sum(w.before[n] - seconds(parts) for n, parts in w.kept.items())
        empty = TextMatch(equals=w.empty + "\n")
        return (
            *trimmed,
            Text(id="empty", subgoal="trim", path=f"{f}/empty.txt", text=empty),
            Absent(id="no-empty", weight=0, path=f"{f}/trimmed/{w.empty}"),
            CsvRows(
                id="table",
                subgoal="table",
                path=f"{f}/lengths.csv",
                columns=("file", "before", "after"),
                rows=tuple(rows),
                tolerance=0.065,
            ),
            Said(id="told", subgoal="table", number=saved, tolerance=0.3, unit=("sec", "s\\b")),
            untouched(
                {k: v for k, v in w.contents.items() if "/memos/" in k}, failure="a memo changed"
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Measure where it is loud, cut there; measure again."""
        return self._trim(p) if subgoal == "trim" else self._table(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count what was made."""
        if subgoal == "table":
            (shown,) = yield read(f"{p.folder}/lengths.csv")
            return f"I looked at the table again: {plural(shown.text.count('.wav'), 'memo')} in it."
        (shown,) = yield sh("ls trimmed; cat empty.txt", workdir=p.folder)
        return f"I looked again; trimmed memos, then the empty one:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Digital silence only; the pauses go, too."""
        return (
            WrongSolution("the hum counts as speech", self._trim(p, limit="1")),
            WrongSolution("pauses cut", self._pauses(p)),
        )

    def _trim(self, p: Params, limit: str = "") -> Solution:
        (rules,) = yield read(f"{p.folder}/TRIM.md")
        level = limit or found(r"amplitude of (\d+)", rules.text)
        script = SCRIPT.replace("LIMIT", level)
        (done,) = yield sh(f"python3 - <<'EOF'\n{script}EOF", workdir=p.folder)
        if done.failed:
            return f"The trimming stopped: {last_line(done.text)}."
        lines = [line for line in done.text.splitlines() if "->" in line]
        silent = found(r"^nothing (said in: .*)", done.text)
        return (
            f"I trimmed {plural(len(lines), 'memo')} into {p.folder}/trimmed, for example "
            f"{lines[0] if lines else 'none'}. Nothing is {silent}."
        )

    def _table(self, p: Params) -> Solution:
        (done,) = yield sh(f"python3 - <<'EOF'\n{TABLE}EOF", workdir=p.folder)
        saved = found(r"^saved ([\d.]+)", done.text)
        return f"{p.folder}/lengths.csv is written; trimming saved {saved} seconds."

    def _pauses(self, p: Params) -> Solution:
        cut = (
            "silenceremove=start_periods=1:stop_periods=-1:stop_duration=0.15:stop_threshold=-38dB"
        )
        (done,) = yield sh(
            "mkdir -p trimmed; : > empty.txt; for m in memos/*.wav; do ffmpeg -v error -y -i $m "
            f"-af {cut}:start_threshold=-38dB trimmed/${{m##*/}}; done; ls trimmed",
            workdir=p.folder,
        )
        return f"Trimmed {plural(len(done.text.split()), 'memo')}."
