"""Sort a heap of quick notes into one page a topic, and keep an index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import edit, plural, read, sh, write

NOTE = re.compile(r"^- \[([a-z]+)\] (\d{4}-\d\d-\d\d): (.+)$", re.MULTILINE)
SENTENCES = (
    "{a} keeps the spare set at {t}",
    "ask {a} before {b} hears of it",
    "moved to {t}, {a} signs for it",
    "{b} needs {n} more by the end of the month",
    "the code is {n}, {a} knows the rest",
    "renewed with {c} under number {n}",
    "{c} charges {n} a visit since the spring",
)


class Params(KitParams):
    """How many notes about how many topics."""

    notes: int = Field(ge=8, le=26)
    topics: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """The seeded pages and what they become."""

    contents: dict[str, str]
    pages: dict[str, str]
    index: str


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the notes from the parameters."""
    d = Draw(p.content)

    def note() -> str:
        return d.pick(SENTENCES).format(
            a=d.person(), b=d.word("first_names"), c=d.word("companies"), t=d.word("towns"),
            n=d.integer(12, 980),
        )  # fmt: skip

    dates = [f"2025-{m:02d}-{day:02d}" for m in range(2, 12) for day in range(1, 29)]
    days = d.some(dates, p.notes)
    heap = [(p.topics[n % len(p.topics)], day, note()) for n, day in enumerate(days)]
    heap = d.shuffled(heap)
    inbox = "# Inbox\n\n" + "".join(f"- [{topic}] {day}: {text}\n" for topic, day, text in heap)
    old = {topic: [(f"2025-01-{d.integer(2, 28):02d}", note())] for topic in p.topics[::2]}
    contents = {
        f"{p.folder}/inbox.md": inbox,
        f"{p.folder}/people.md": "# People\n\n" + "".join(f"- {x}\n" for x in d.people(6)),
    }
    pages = {}
    for topic in p.topics:
        before = old.get(topic, [])
        path = f"{p.folder}/topics/{topic}.md"
        if before:
            contents[path] = _page(topic, before)
        pages[topic] = _page(topic, before + sorted((x[1], x[2]) for x in heap if x[0] == topic))
    counts = {topic: page.count("\n- ") for topic, page in pages.items()}
    index = "".join(f"- {topic}: {counts[topic]}\n" for topic in sorted(pages))
    return World(contents, pages, index)


class ReorganiseNotes(Kit[Params]):
    """Notes to reorganise."""

    name = "agent-memory/reorganise-notes"
    title = "Sort an inbox of notes into topic pages"
    description = "Move tagged notes to one page a topic in order of date, and write an index."
    obstacle = "some topic pages exist already and must keep what they hold"
    folders = ("quick-notes", "notebook", "memo-pad")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more notes and more topics."""
        d = Draw(content_seed(rng))
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            notes={"simple": 8, "medium": 15, "complex": 26}[complexity],
            topics=tuple(
                d.different("topics", {"simple": 3, "medium": 4, "complex": 6}[complexity])
            ),
        )

    def seed(self, p: Params) -> Seed:
        """An inbox, a few topic pages, another page."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Move the notes, then index them."""
        inbox, topics, index = (f"{p.folder}/{n}" for n in ("inbox.md", "topics", "INDEX.md"))
        return (
            SubGoal(
                id="sort",
                request=f"move every note of {inbox} to the page of its tag, {topics}/<tag>.md, "
                "below what is there already, oldest first, each as a line `- <date>: <text>`, "
                f"give new pages the heading `# <tag>` and an empty line, and leave only the "
                f"heading in {inbox}",
                label="the sorted notes",
                facts=(Fact("inbox", inbox), Fact("topics", topics)),
                artifacts=(topics, inbox),
            ),
            SubGoal(
                id="index",
                request=f"write {index} with one line `- <topic>: <number of notes>` for every "
                f"page in {topics}, sorted by topic, below the heading `# Index` and an empty line",
                label="the index of the notes",
                facts=(Fact("index", index), Fact("topics", topics)),
                artifacts=(index,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Every page, the emptied inbox, the index; other pages stay."""
        w = world(p)
        pages = tuple(
            Text(
                id=f"page-{topic}",
                subgoal="sort",
                path=f"{p.folder}/topics/{topic}.md",
                text=TextMatch(equals=page),
            )
            for topic, page in w.pages.items()
        )
        return (
            *pages,
            Text(
                id="inbox",
                subgoal="sort",
                path=f"{p.folder}/inbox.md",
                text=TextMatch(equals="# Inbox\n"),
            ),
            Text(
                id="index",
                subgoal="index",
                path=f"{p.folder}/INDEX.md",
                text=TextMatch(equals=f"# Index\n\n{w.index}"),
            ),
            untouched({k: v for k, v in w.contents.items() if k.endswith("people.md")}),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the heap and the pages, write page after page; count with grep."""
        return self._sort(p) if subgoal == "sort" else self._index(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count notes, or show the index."""
        if subgoal == "sort":
            (count,) = yield sh(f"grep -c '^- ' {p.folder}/topics/*.md; cat {p.folder}/inbox.md")
            return f"Notes by page, and the inbox below:\n{count.text.strip()}"
        (shown,) = yield read(f"{p.folder}/INDEX.md")
        return f"The index reads:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Losing what was there; keeping the order of the inbox."""
        return (
            WrongSolution("old pages overwritten", self._sort(p, keep=False)),
            WrongSolution("unsorted", self._sort(p, by_date=False)),
        )

    def _sort(self, p: Params, keep: bool = True, by_date: bool = True) -> Solution:
        inbox = f"{p.folder}/inbox.md"
        heap, listing = yield [read(inbox), sh(f"ls {p.folder} {p.folder}/topics")]
        notes: list[tuple[str, str, str]] = NOTE.findall(heap.text)
        tags = sorted({tag for tag, _, _ in notes})
        existing = [tag for tag in tags if f"{tag}.md" in listing.text.split()]
        before = {tag: f"# {tag}\n\n" for tag in tags}
        if keep and existing:
            replies = yield [read(f"{p.folder}/topics/{tag}.md") for tag in existing]
            texts = (reply.text.rstrip() + "\n" for reply in replies)
            before.update(zip(existing, texts, strict=True))
        order = sorted(notes, key=lambda note: note[1]) if by_date else notes
        replies = yield [
            write(
                f"{p.folder}/topics/{tag}.md",
                before[tag] + "".join(f"- {day}: {text}\n" for t, day, text in order if t == tag),
            )
            for tag in tags
        ]
        if any(reply.failed for reply in replies):
            return f"Some pages could not be written: {next(r.text for r in replies if r.failed)}"
        lines = heap.text.rstrip().split("\n", 1)
        (emptied,) = yield edit(inbox, lines[1], "")
        (left,) = yield sh(f"cat {inbox}; cat {p.folder}/topics/*.md | grep -c '^- '")
        count = left.text.split()[-1]
        state = "is empty" if not emptied.failed else "could not be emptied"
        return (
            f"I moved {plural(len(notes), 'note')} to {plural(len(tags), 'page')}; the pages "
            f"hold {count} "
            f"now, and the inbox {state}."
        )

    def _index(self, p: Params) -> Solution:
        (counts,) = yield sh("grep -c '^- ' *.md", workdir=f"{p.folder}/topics")
        pairs = [line.strip().split(".md:") for line in counts.text.strip().splitlines()]
        lines = "".join(f"- {topic}: {number}\n" for topic, number in sorted(pairs))
        (saved,) = yield write(f"{p.folder}/INDEX.md", f"# Index\n\n{lines}")
        if saved.failed:
            return f"The index could not be written: {saved.text}"
        (shown,) = yield read(f"{p.folder}/INDEX.md")
        return f"The index has {plural(shown.text.count('- '), 'topic')}."


def _page(topic: str, notes: list[tuple[str, str]]) -> str:
    return f"# {topic}\n\n" + "".join(f"- {day}: {text}\n" for day, text in notes)
