"""What the user can observe since their last turn, and nothing else.

Looks at the workspace as a person at the screen would: which files came, changed or went, the
first lines of at most two of them, and whether the paths that the agent speaks of are really
there. Knows no check, exit code or verdict. About 1,500 tokens at most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ise_env.users.mailbox import Inbox
from ise_env.users.protocol import Digest
from ise_env.workspaces.protocol import (
    HOME,
    WORKDIR,
    Completed,
    FileChange,
    FileStat,
    Workspace,
    WorkspaceGone,
)

MAX_CHANGES = 20
MAX_HEADS = 2
HEAD_LINES = 10
HEAD_CHARS = 500
TEXT_CHARS = 3_200
MAX_CLAIMS = 8
GONE = "the machine: not answering"
"""The claim line when the agent has ended its own workspace."""
_STATS = 48
_WHOLE_READ = 256 * 1024
_SCROLLED = 32_000
"""Characters of a file that somebody would read to the end."""

CACHES = frozenset(
    {
        *("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".cache"),
        *(".git", ".hg", ".svn", ".npm", ".tox", "node_modules", ".venv", "venv"),
        *(".ipynb_checkpoints", ".DS_Store"),
    }
)
"""Directory and file names whose content nobody looks at."""


_State = tuple[str, int, float]
"""Change, size, mtime."""


class Onlooker(Protocol):
    """The part of a user that decides where to look."""

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        """Paths (at most two) whose first lines this user looks at before answering."""
        ...


class DigestBuilder:
    """Observes one episode's workspace, once a user turn; remembers what the user has seen.

    Args:
        workspace: None gives the agent's text only (the ablation without grounding).
        user: Decides which files to open.
    """

    def __init__(self, workspace: Workspace | None, user: Onlooker | None = None) -> None:
        self._workspace = workspace
        self._user = user
        self._seen: dict[str, _State] = {}
        self._inbox = Inbox(workspace) if workspace is not None else None

    def build(self, agent_text: str, *, tool_calls: int = 0) -> Digest:
        """Observe what happened since the last call.

        Args:
            agent_text: The agent's message; the middle of a very long one is left out.
            tool_calls: Calls that the agent made since the user's last turn.

        Raises:
            WorkspaceError: The machinery failed. A workspace that the agent has ended is no
                error: the user sees that the machine is gone.
        """
        if self._workspace is None:
            return Digest(agent_text=shorten(agent_text), tool_calls=tool_calls)
        try:
            return self._observe(self._workspace, agent_text, tool_calls)
        except WorkspaceGone:
            return Digest(shorten(agent_text), claims=(GONE,), tool_calls=tool_calls)

    def _observe(self, workspace: Workspace, agent_text: str, tool_calls: int) -> Digest:
        everything = workspace.diff()
        differing = [c for c in everything if not hidden(c.path) and c.kind != "directory"]
        folders = {c.path.split("/")[0] for c in everything}
        look = _Look(workspace, {c.path: c for c in differing}, folders)
        state = _state(look, differing)
        new = [c for c in differing if self._seen.get(c.path) != state[c.path]]
        new += [_back(look, path) for path in self._seen if path not in state]
        self._seen = state
        changes = tuple(new[:MAX_CHANGES])
        user = self._user
        wanted = user.wants_to_open(agent_text, changes)[:MAX_HEADS] if user is not None else ()
        claims = [line for path in wanted if (line := look.lacking(path))]
        claims += [line for line in look.contradicted(agent_text) if line not in claims]
        return Digest(
            agent_text=shorten(agent_text),
            changes=changes,
            more_changes=len(new) - len(changes),
            heads=tuple((path, head) for path in wanted if (head := look.head(path))),
            contents=tuple((path, text) for path in wanted if (text := look.whole(path))),
            claims=tuple(claims[:MAX_CLAIMS]),
            mail=self._inbox.news() if self._inbox is not None else (),
            tool_calls=tool_calls,
        )


def hidden(path: str) -> bool:
    """Whether a path lies in a cache or in a tool's own bookkeeping."""
    return any(part in CACHES or part.endswith(".pyc") for part in path.split("/"))


def shorten(text: str, limit: int = TEXT_CHARS) -> str:
    """Keep the beginning and the end of a text that nobody would read whole."""
    if len(text) <= limit:
        return text
    return (
        f"{text[: limit * 2 // 3]}\n[... {len(text) - limit} characters ...]\n{text[-limit // 3 :]}"
    )


def render(digest: Digest) -> str:
    """The observations as plain lines, for a prompt or a person (without the agent's text)."""
    lines = [f"{c.path}: {c.change}, {_size(c.size)}" for c in digest.changes]
    if digest.more_changes:
        lines.append(f"(and {digest.more_changes} more files)")
    lines += [f"Looked at and found: {line}" for line in digest.claims]
    lines += [f"New mail from {line}" for line in digest.mail]
    for path, head in digest.heads:
        lines += [f"First lines of {path}:", *("  | " + row for row in head.splitlines())]
    return "\n".join(lines) if lines else "(no file changed)"


def _size(size: int) -> str:
    return f"{size:,} byte{'' if size == 1 else 's'}"


def _state(look: _Look, changes: Sequence[FileChange]) -> dict[str, _State]:
    """What differs and how; mtimes (a round trip each) for the first few only."""
    state: dict[str, _State] = {}
    for index, change in enumerate(changes):
        mtime = 0.0
        if index < _STATS and change.change != "deleted":
            stat = look.at(change.path)
            mtime = stat.mtime if stat else 0.0
        state[change.path] = (change.change, change.size, mtime)
    return state


def _back(look: _Look, path: str) -> FileChange:
    """A path that differed from the start when the user last looked, and no longer does."""
    stat = look.at(path)
    if stat is None:
        return FileChange(path, "deleted", "file", 0, None)
    return FileChange(path, "modified", stat.kind, stat.size, None)


_FENCE = re.compile(r"(```|~~~).*?(?:\1|\Z)", re.S)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_PATH = re.compile(r"(?<![\w/:@.~-])(?:~/|\.{0,2}/)?[\w@+-][\w.@+-]*(?:/[\w.@+-]+)*/?")
_TOKEN = re.compile(r"[\w@+./-]+")
_PATH_WITH_DOT = re.compile(r"[\w@+-][./].*\w")
_COMMAND = re.compile(r"`[^`\n]*\s[^`\n]*`|“[^”\n]*”|>>?\s*[\w./~-]+")
"""A command or a line that is quoted, and where a redirection goes: no promise of a file."""
_EXTENSION = re.compile(
    r"\.(csv|tsv|jsonl?|ya?ml|toml|ini|cfg|conf|env|md|rst|txt|log|out|html?|xml|css|pdf|docx?|xlsx?"
    r"|pptx?|odt|ods|ics|eml|py|sh|bash|js|ts|sql|sqlite3?|db|c|h|cpp|rs|go|java|rb|pl|r|ipynb"
    r"|diff|patch|lock|png|jpe?g|gif|svg|webp|wav|mp3|mp4|zip|tar|gz|tgz|bz2|xz|parquet|bak|tmp"
    r"|crontab|service|timer)$",
    re.I,
)
_VERBS = (
    r"(?:created|wrote|written|saved|generated|produced|exported|stored|placed|put|built|added"
    r"|drafted|rendered|recorded|listed|moved|copied|renamed)"
)
_MADE = re.compile(
    rf"\bi(?:'ve| have)?(?: (?:also|now|then|just))* {_VERBS}\b|^\W*{_VERBS}\b"
    rf"|\b(?:is|are|was|were|has been|have been)(?: now)? {_VERBS} (?:to|in|at|as|under|into)\b"
    r"|\b(?:has|have) been (?:created|generated|produced|added)\b"
    r"|\b(?:reports?|results?|summary|output|lists?|file|table|script)\b.{0,40}"
    r"\b(?:is|are)(?: now)? (?:in|at|ready|available)\b|\byou(?:'ll| will| can) find\b",
    re.I,
)
_UNMADE = re.compile(
    r"\bi(?:'ve| have)?(?: (?:also|now|then|just))* (?:deleted|removed|got rid of|unlinked)\b"
    r"|^\W*(?:deleted|removed)\b|\b(?:is|are|was|were|has been|have been)(?: now)? "
    r"(?:deleted|removed)\b",
    re.I,
)
_NOT_A_CLAIM = re.compile(
    r"\?\s*$|\b(not|n't|never|no longer|missing|should|shall|would|could|will|'ll be|if|unless"
    r"|need(s)? to|going to|plan|want|backup of|temporar|instead of|previously|failed)\b|n't\b",
    re.I,
)


@dataclass
class _Look:
    """Looking things up in one workspace at one moment."""

    workspace: Workspace
    changed: Mapping[str, FileChange]
    folders: set[str]
    """Top-level folders in which anything changed, a repository's own files included."""
    _texts: dict[str, str] = field(default_factory=dict)
    _stats: dict[str, FileStat | None] = field(default_factory=dict)

    def head(self, path: str) -> str:
        """First lines of a file, names in a directory, or '' when there is nothing to read."""
        return clip(self.text(path))

    def text(self, path: str) -> str:
        """What there is to read of a file; of a very large one only its beginning."""
        if path not in self._texts:
            self._texts[path] = self._text(path)
        return self._texts[path]

    def whole(self, path: str) -> str:
        """All of a file, '' where it is too long for anybody to read."""
        stat = self.find(path)
        text = self.text(path) if stat is not None and stat.size <= _WHOLE_READ else ""
        return text if len(text) <= _SCROLLED else ""

    def _text(self, path: str) -> str:
        stat = self.find(path)
        if stat is None:
            return ""
        try:
            if stat.kind == "directory":
                return "\n".join(n for n in self.workspace.listdir(path) if not hidden(n))
            raw = self._bytes(path, stat.size)
        except OSError:
            return ""
        text = raw.decode("utf-8", "replace")
        if "\0" in text or text.count("�") > len(text) // 20 + 1:
            return f"(not text, {_size(stat.size)})"
        return text

    def _bytes(self, path: str, size: int) -> bytes:
        if size <= _WHOLE_READ:
            return self.workspace.read(path, max_bytes=_WHOLE_READ)
        done = self.workspace.run(["head", "-c", "2000", "--", path], timeout_s=5.0)
        return done.output if isinstance(done, Completed) else b""

    def find(self, path: str) -> FileStat | None:
        """What is there by a path as people write it, None for nothing."""
        return self.at(_inside(path))

    def at(self, path: str) -> FileStat | None:
        """What is at this very path; asked for once, however often it is wanted."""
        if path not in self._stats:
            try:
                self._stats[path] = self.workspace.stat(path)
            except OSError:
                self._stats[path] = None
        return self._stats[path]

    def lacking(self, path: str) -> str:
        """What is wrong with a place where the user expects a result, '' if nothing."""
        stat = self.find(path)
        if stat is None:
            return f"{path}: not there"
        if stat.kind == "directory" and not self.workspace.listdir(path):
            return f"{path}: an empty directory"
        if stat.kind == "file" and stat.size == 0:
            return f"{path}: 0 bytes"
        # Work elsewhere in the folder may be what changes nothing here: a commit, a branch.
        top = _relative(path).split("/")[0]
        return "" if top in self.folders or top == "." else f"{path}: unchanged"

    def contradicted(self, text: str) -> list[str]:
        """Lines for paths that the agent says it made (or removed) when that is not so."""
        lines: list[str] = []
        for sentence in _SENTENCE.split(_FENCE.sub(" ", text[-8000:])):
            if _NOT_A_CLAIM.search(sentence):
                continue
            sentence = _COMMAND.sub(" ", sentence)
            words = _TOKEN.sub(_unless_a_path, sentence)  # `removed.txt` removes nothing
            made, unmade = _MADE.search(words), _UNMADE.search(words)
            if bool(made) == bool(unmade):
                continue
            for path in mentioned(sentence):
                line = self._against(path, sentence, made=bool(made))
                if line and line not in lines:
                    lines.append(line)
                if len(lines) >= MAX_CLAIMS:
                    return lines
        return lines

    def _against(self, path: str, sentence: str, *, made: bool) -> str:
        about = "from|of|like|see" if made else "from|in|of|within"
        if re.search(rf"\b({about})\s+[`'\"]?{re.escape(path)}", sentence):
            return ""
        stat = self.find(path)
        if not made:
            return f"{path}: still there" if stat is not None else ""
        if stat is None:
            return "" if self._elsewhere(_relative(path)) else f"{path}: not there"
        return f"{path}: 0 bytes" if stat.kind == "file" and stat.size == 0 else ""

    def _elsewhere(self, path: str) -> bool:
        """Whether it lies deeper in the tree: prose names places as seen from a task's folder."""
        if any(p.endswith("/" + path) for p in self.changed):
            return True
        place = ["-path", f"*/{path}", "-not", "-path", "*/.git/*"]
        argv = ["find", WORKDIR, *place, "-print", "-quit"]
        done = self.workspace.run(argv, timeout_s=5.0)
        return isinstance(done, Completed) and bool(done.output.strip())


def _unless_a_path(token: re.Match[str]) -> str:
    return " " if _PATH_WITH_DOT.search(token.group()) else token.group()


def mentioned(text: str) -> list[str]:
    """File paths that a text speaks of, in order, each once; no URLs, versions or figures."""
    found: list[str] = []
    for match in _PATH.finditer(text):
        path = match.group().rstrip(".,")
        if _EXTENSION.search(path) and "://" not in text[max(0, match.start() - 8) : match.end()]:
            found.append(path)
    return list(dict.fromkeys(found))


def clip(text: str) -> str:
    """First lines, bounded in number and length."""
    rows = [row[:120] for row in text.splitlines()[:HEAD_LINES]]
    return "\n".join(rows)[:HEAD_CHARS]


def _inside(path: str) -> str:
    return HOME + path[1:] if path.startswith("~/") else path


def _relative(path: str) -> str:
    """A path as `FileChange.path` writes it."""
    return path.removeprefix(WORKDIR + "/").removeprefix("./") or "."
