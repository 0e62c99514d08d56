"""The state of a git repository: refs, ancestry, messages, files, what is not committed.

`repository` says how a repository is asked without trusting it. The work tree is compared with
an index read anew from HEAD.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Literal

from pydantic import Field

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.checks.repository import ask
from ise_env.rewards.evidence import Evidence, Question, Unmet, excerpt


class GitCheck(Kind):
    """What every git check shares: a repository below WORKDIR, bare or with a work tree."""

    repo: str

    @abstractmethod
    def question(self) -> Question:
        """What it wants to know; asked together with what other checks want to know."""

    @abstractmethod
    def consider(self, code: int, out: str) -> str:
        """Judge the answer: the script's exit code and output; as `judge` otherwise."""

    def judge(self, evidence: Evidence) -> str:
        """Ask, and consider the answer."""
        return self.consider(*ask(self.question(), evidence))

    def _asks(self, script: str, *arguments: str) -> Question:
        return Question(self.repo, script, arguments)


class GitBranch(GitCheck):
    """A branch or tag exists, or does not."""

    kind: Literal["git_branch"] = "git_branch"
    ref: str = Field(description="`refs/heads/main`, `refs/tags/v1.2`.")
    exists: bool = True
    annotation: TextMatch | None = Field(default=None, description="Of an annotated tag.")

    def question(self) -> Question:
        """Look the ref up; an annotated tag's text follows its id."""
        script = 'git rev-parse -q --verify "$1" && { git cat-file tag "$1" || true; }'
        return self._asks(script, self.ref)

    def consider(self, code: int, out: str) -> str:
        """Compare with the fields."""
        if (code == 0) != self.exists:
            raise Unmet(f"{self.ref}: {'not there' if self.exists else 'still there'}")
        commit, _, told = out.partition("\n")
        if self.annotation is not None:
            if not told:
                raise Unmet(f"{self.ref}: not an annotated tag")
            return self.annotation.demand(told.partition("\n\n")[2], self.ref)
        return f"{self.ref}: {commit[:12] or 'not there'}"


class GitMerged(GitCheck):
    """A commit is part of a ref's history."""

    kind: Literal["git_merged"] = "git_merged"
    commit: str
    into: str = "HEAD"

    def question(self) -> Question:
        """Ask for ancestry."""
        script = 'git merge-base --is-ancestor "$1^{commit}" "$2^{commit}"'
        return self._asks(script, self.commit, self.into)

    def consider(self, code: int, out: str) -> str:
        """An ancestor, or not."""
        if code != 0:
            raise Unmet(f"{self.commit[:12]} is not part of {self.into}")
        return f"{self.commit[:12]} is part of {self.into}"


class GitClean(GitCheck):
    """Nothing uncommitted, nothing untracked, no merge or rebase half done."""

    kind: Literal["git_clean"] = "git_clean"
    untracked: bool = Field(default=True, description="Whether untracked files count.")

    def question(self) -> Question:
        """Compare the work tree with HEAD."""
        script = """
        if [ -n "${unfinished:-}" ]; then echo "unfinished: $unfinished"; exit 0; fi
        export GIT_WORK_TREE="$tree"
        git read-tree HEAD && git status --porcelain --untracked-files="$1" --ignore-submodules=all
        """
        return self._asks(script, "all" if self.untracked else "no")

    def consider(self, code: int, out: str) -> str:
        """There must be nothing to list."""
        if code != 0 or out.strip():
            raise Unmet(f"{self.repo}: not clean: {excerpt(out)}")
        return f"{self.repo}: clean"


class GitLog(GitCheck):
    """Commits of a range: how many, and one whose message fits."""

    kind: Literal["git_log"] = "git_log"
    range: str = Field(default="HEAD", description="As `git log` takes it: `<sha>..main`.")
    message: TextMatch | None = None
    author: str = Field(
        default="", description="`Name <address>` of the commit whose message fits."
    )
    commits: int | None = None
    merges: int | None = None

    def question(self) -> Question:
        """List the commits, newest first."""
        script = "git log --max-count=500 --format='%H %P%x1f%B%x1f%an <%ae>%x1e' \"$1\" --"
        return self._asks(script, self.range)

    def consider(self, code: int, out: str) -> str:
        """Count them, read their messages."""
        span = re.sub(r"\b([0-9a-f]{8})[0-9a-f]{32}\b", r"\1", self.range)
        if code != 0:
            raise Unmet(f"{span}: no such range")
        records = [record.strip("\n") for record in out.split("\x1e") if record.strip()]
        merges = sum(len(r.split("\x1f")[0].split()) > 2 for r in records)
        if self.commits is not None and len(records) != self.commits:
            raise Unmet(f"{span}: {len(records)} commits, not {self.commits}")
        if self.merges is not None and merges != self.merges:
            raise Unmet(f"{span}: {merges} merges, not {self.merges}")
        if self.message is None:
            return f"{span}: {len(records)} commits, {merges} merges"
        for record in records:
            _, message, author = record.split("\x1f")
            if self.author not in ("", author):
                continue
            try:
                return self.message.demand(message, span)
            except Unmet:
                continue
        by = f" by {self.author}" if self.author else ""
        raise Unmet(
            f"{span}: none of {len(records)} commit messages{by} has {self.message.wanted()}"
        )


class GitFile(GitCheck):
    """A file as it is at a ref."""

    kind: Literal["git_file"] = "git_file"
    ref: str = "HEAD"
    path: str
    text: TextMatch | None = Field(default=None, description="None: the file is not there.")
    conflict_markers: bool = Field(default=False, description="Whether they are allowed.")

    def question(self) -> Question:
        """Read the blob."""
        return self._asks('git cat-file blob "$1"', f"{self.ref}:{self.path}")

    def consider(self, code: int, out: str) -> str:
        """Compare its text."""
        where = f"{self.ref}:{self.path}"
        if self.text is None:
            if code == 0:
                raise Unmet(f"{where}: still there")
            return f"{where}: not there"
        if code != 0:
            raise Unmet(f"{where}: not there")
        if not self.conflict_markers and re.search(r"^(<{7} |>{7} |={7}$)", out, re.MULTILINE):
            raise Unmet(f"{where}: has conflict markers")
        return self.text.demand(out, where)


class GitLacks(GitCheck):
    """A text occurs nowhere in what a range brings: no file at any of its commits, no message."""

    kind: Literal["git_lacks"] = "git_lacks"
    range: str = Field(default="HEAD", description="As `git rev-list` takes it.")
    text: str = Field(min_length=1)

    def question(self) -> Question:
        """Read every object, count the lines with the text."""
        script = """
        git rev-list --objects "$1" > /tmp/objects || exit 2
        cut -d' ' -f1 /tmp/objects | git cat-file --batch | grep -acF -- "$2" || true
        """
        return self._asks(script, self.range, self.text)

    def consider(self, code: int, out: str) -> str:
        """There must be no such line; nothing to read is nothing leaked."""
        if code == 0 and out.strip() != "0":
            raise Unmet(f"{self.range}: has it on {out.strip()} lines")
        return f"{self.range}: nowhere"
