"""A manual whose chapters are files: one comes in between, and every link must follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Said, Text, TextMatch, Tree, Unchanged
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, sha256, untouched
from ise_env.tasks.steps import found, plural, python, read, sh
from ise_env.tasks.surroundings import surroundings

SIZES = {"simple": 8, "medium": 11, "complex": 16}

STYLE = """\
# House style of the manual

- A chapter is `book/NN-slug.md`, NN with two digits. Its first line is `# N. Title`, N being the
  number without a zero in front.
- Chapters refer to each other as `[text](NN-slug.md)` or `[text](NN-slug.md#part)`; the text of a
  link is the author's and never changes. A link to the web is none of these, whatever it looks
  like, and neither is what stands in a block between lines of three backticks.
- When numbers move, file names, headings and links move; everything else stays to the letter.
- `contents.md` has a line `N. [Title](book/NN-slug.md)` for each chapter, in order, and nothing
  else.
"""

MOVE = """\
import glob, os, re
AT = PLACE
names = sorted(os.path.basename(path) for path in glob.glob("book/*.md"))
new = {}
for name in names:
    number = int(name[:2])
    new[name] = f"{number + (number >= AT):02d}{name[2:]}"
draft = "DRAFT"
slug = os.path.basename(draft)
arrived = f"{AT:02d}-{slug}"
count = 0
def link(match):
    global count
    target = new.get(match[1])
    if target is None or target == match[1]:
        return match[0]
    count += 1
    return f"]({target}{match[2] or ''})"
texts = {}
for name in [*names, None]:
    text = open(f"book/{name}" if name else draft).read()
    target = new[name] if name else arrived
    out, fenced = [], False
    for line in text.splitlines(keepends=True):
        if line.startswith("```"):
            fenced = not fenced
        if not fenced:
            line = re.sub(r"\\]\\(([^)#]+)(#[^)]*)?\\)", link, line)
        out.append(line)
    out[0] = re.sub(r"^# (\\d+\\. )?", f"# {int(target[:2])}. ", out[0])
    texts[target] = "".join(out)
for name in names:
    os.remove(f"book/{name}")
os.remove(draft)
for name, text in texts.items():
    open(f"book/{name}", "w").write(text)
print(count, "links")
"""

CONTENTS = """\
import glob, os
lines = []
for path in sorted(glob.glob("book/*.md")):
    number, title = open(path).readline()[2:].strip().split(". ", 1)
    lines.append(f"{number}. [{title}]({path})\\n")
open("contents.md", "w").write("".join(lines))
"""


class Params(KitParams):
    """How many chapters, and where the new one goes."""

    chapters: int = Field(ge=8, le=16)
    place: int = Field(ge=3, le=5)


@dataclass(frozen=True)
class World:
    """The book before and after."""

    contents: dict[str, str]
    draft: str
    after: dict[str, str]
    """Names below `book/` to texts."""
    titles: list[tuple[str, str]]
    """Name and title, in order."""
    links: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the book from the parameters, once for each numbering."""
    d = Draw(p.content)
    topics = d.different("topics", p.chapters + 1)
    projects = d.different("projects", p.chapters + 1)
    slug = topics[-1]
    links = 0
    words = [
        [f"Ask {d.person()} about the {d.word('products')}." for _ in range(3)]
        for _ in range(p.chapters + 1)
    ]
    aims = [[d.integer(0, p.chapters - 1) for _ in range(3)] for _ in range(p.chapters + 1)]
    aims[0][0] = p.chapters - 1

    def chapter(at: int, numbers: list[int], heading: str) -> str:
        nonlocal links
        first, second = (f"{numbers[x]:02d}-{topics[x]}.md" for x in aims[at][:2])
        links += sum(numbers[x] != x + 1 for x in aims[at][:2])
        return (
            f"{heading}\n\n{words[at][0]} See [the chapter on {topics[aims[at][0]]}]({first}).\n\n"
            f"{words[at][1]} [Details of {topics[aims[at][1]]}, step {aims[at][1] + 1}]"
            f"({second}#{projects[at]}).\n\n## {projects[at].capitalize()}\n\n{words[at][2]}\n\n"
            f"```\nopen [old]({aims[at][2] + 1:02d}-{topics[aims[at][2]]}.md)\n```\n\n"
            f"More: [the web]"
            f"(https://manual.example/{aims[at][2] + 1:02d}-{topics[aims[at][2]]}.md).\n"
        )

    f = p.folder
    before = list(range(1, p.chapters + 1))
    moved = [number + (number >= p.place) for number in before]
    contents, after, titles = {}, {}, []
    for at, topic in enumerate(topics[:-1]):
        title = f"{topic.capitalize()} at {projects[at].capitalize()}"
        old, new = before[at], moved[at]
        contents[f"{f}/book/{old:02d}-{topic}.md"] = chapter(at, before, f"# {old}. {title}")
        after[f"{new:02d}-{topic}.md"] = chapter(at, moved, f"# {new}. {title}")
        titles.append((f"{new:02d}-{topic}.md", title))
    title = f"{slug.capitalize()} for beginners"
    draft = f"drafts/{slug}.md"
    contents[f"{f}/{draft}"] = chapter(p.chapters, before, f"# {title}")
    arrived = f"{p.place:02d}-{slug}.md"
    after[arrived] = chapter(p.chapters, moved, f"# {p.place}. {title}")
    titles.append((arrived, title))
    contents |= {
        f"{f}/STYLE.md": STYLE,
        f"{f}/drafts/later.md": f"# Later\n\n{d.person()} may write this.\n",
        **surroundings(p.content, f, 6),
    }
    return World(contents, draft, after, sorted(titles), links)


class RenumberChapters(Kit[Params]):
    """A chapter to put in."""

    name = "file-io/renumber-chapters"
    title = "Put a chapter in and renumber the rest"
    description = "Insert a chapter file, renumber files and headings, fix links; write contents."
    obstacle = "links in code blocks and to the web that only look like links to chapters"
    folders = ("manual", "house-manual", "course-book")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more chapters."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            chapters=SIZES[complexity],
            place=int(rng.integers(3, 6)),
        )

    def seed(self, p: Params) -> Seed:
        """The book, the draft, the house style."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Put it in, then write the contents."""
        draft = f"{p.folder}/{world(p).draft}"
        book, style, contents = (f"{p.folder}/{n}" for n in ("book", "STYLE.md", "contents.md"))
        return (
            SubGoal(
                id="insert",
                request=f"move {draft} into {book} as chapter {p.place} and renumber what comes "
                f"after it, links included, the way {style} has it, and tell me how many links had "
                "to change",
                label=f"the new chapter {p.place}",
                facts=(
                    Fact("draft", draft),
                    Fact("book", book),
                    Fact("place", f"chapter {p.place}"),
                    Fact("style", style),
                ),
                artifacts=(book,),
                question="Do links in code blocks change, too?",
                answer="No, only links between chapters outside of code blocks",
            ),
            SubGoal(
                id="contents",
                request=f"write {contents} for the chapters as they are in {book} now, in the form "
                f"that {style} gives",
                label="the table of contents",
                facts=(Fact("contents", contents), Fact("book", book), Fact("style", style)),
                artifacts=(contents,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Names and texts of all chapters, the contents."""
        w, f = world(p), p.folder
        lines = [f"{int(name[:2])}. [{title}](book/{name})" for name, title in w.titles]
        given = {
            path: text
            for path, text in w.contents.items()
            if not path.startswith(f"{f}/book/") and path != f"{f}/{w.draft}"
        }
        return (
            Tree(id="names", subgoal="insert", path=f"{f}/book", names=tuple(w.after)),
            Unchanged(
                id="texts",
                subgoal="insert",
                weight=2,
                sha256={f"{f}/book/{name}": sha256(text) for name, text in w.after.items()},
                failure="a chapter's heading, links or text are not what they should be",
            ),
            Said(id="told", subgoal="insert", unit=("link",), number=w.links),
            Text(
                id="contents",
                subgoal="contents",
                path=f"{f}/contents.md",
                text=TextMatch(equals="\n".join(lines)),
            ),
            untouched(given, failure="a file outside of the book was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Plan all names, rewrite links outside of code, write the book anew."""
        return self._insert(p) if subgoal == "insert" else self._contents(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the headings or the contents."""
        if subgoal == "insert":
            (heads,) = yield sh(f"head -qn 1 book/*.md | sed -n {p.place}p", workdir=p.folder)
            return f"I looked again; the new chapter begins `{heads.text.strip()}`."
        (shown,) = yield read(f"{p.folder}/contents.md")
        return f"I looked again; the contents are:\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Links in code changed, too; files renamed only."""
        code = MOVE.replace("if not fenced:", "if True:")
        names = MOVE.replace("        if not fenced:\n", "        if False:\n")
        return (
            WrongSolution("links in code changed", self._insert(p, code)),
            WrongSolution("links left behind", self._insert(p, names)),
        )

    def _insert(self, p: Params, program: str = MOVE) -> Solution:
        style, book = yield [
            read(f"{p.folder}/STYLE.md"),
            sh("ls book | tail -n 1; head -n 5 drafts/*.md", workdir=p.folder),
        ]
        if "contents.md" not in style.text:
            return "STYLE.md does not say how chapters are numbered."
        program = program.replace("PLACE", str(p.place)).replace("DRAFT", world(p).draft)
        (ran,) = yield python(program, workdir=p.folder)
        if ran.failed:
            return f"The book could not be renumbered: {ran.text.strip()}"
        (after,) = yield sh("ls book", workdir=p.folder)
        names = after.text.split()
        last = book.text.split()[0]
        count = found(r"^(\d+) links", ran.text)
        return (
            f"{plural(count, 'link')} had to change.\nThe book has "
            f"{plural(len(names), 'chapter')}; the last one was {last} and is {names[-1]} now."
        )

    def _contents(self, p: Params) -> Solution:
        (ran,) = yield python(CONTENTS, workdir=p.folder)
        if ran.failed:
            return f"The contents could not be written: {ran.text.strip()}"
        (shown,) = yield read(f"{p.folder}/contents.md")
        lines = shown.text.strip().splitlines()
        name = re.sub(r"\(.*", "", lines[-1])
        return f"contents.md has {plural(len(lines), 'line')}, the last for {name}."
