"""Repositories on the git host, at the end: the questions of `git`, put to the host's copy.

`repo` is the name on the host, `<folder>/<name>`. A copy of its objects and refs is laid into
the clean sandbox, so what was pushed is read by nothing outside of it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ise_env.rewards.checks.git import GitBranch, GitCheck, GitFile, GitLog, GitMerged
from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.evidence import Evidence, Question, Unmet, excerpt


class _Remote(GitCheck):
    """Puts the question to the host's copy."""

    def _asks(self, script: str, *arguments: str) -> Question:
        return Question(self.repo, script, arguments, remote=True)


class GitRemoteBranch(_Remote, GitBranch):
    """A branch or tag exists on the host, or does not."""

    kind: Literal["git_remote_branch"] = "git_remote_branch"  # type: ignore[assignment]


class GitRemoteMerged(_Remote, GitMerged):
    """A commit is part of a ref's history on the host."""

    kind: Literal["git_remote_merged"] = "git_remote_merged"  # type: ignore[assignment]


class GitRemoteLog(_Remote, GitLog):
    """Commits of a range on the host."""

    kind: Literal["git_remote_log"] = "git_remote_log"  # type: ignore[assignment]


class GitRemoteFile(_Remote, GitFile):
    """A file as it is at a ref on the host."""

    kind: Literal["git_remote_file"] = "git_remote_file"  # type: ignore[assignment]


class GitPushed(Kind):
    """A push to a ref was taken, and the tests of the commit passed."""

    kind: Literal["git_pushed"] = "git_pushed"
    repo: str
    ref: str
    tested: bool = Field(default=True, description="Whether the commit's tests had to pass.")

    def judge(self, evidence: Evidence) -> str:
        """Look at the last push that was taken."""
        records = evidence.services
        taken = [
            push
            for push in records.pushes
            if (push.repository, push.ref) == (self.repo, self.ref) and not push.refused
        ]
        if not taken or not taken[-1].new:
            raise Unmet(f"{self.repo} {self.ref}: nothing was pushed")
        commit = taken[-1].new
        runs = [r for r in records.test_runs if (r.repository, r.commit) == (self.repo, commit)]
        if self.tested and not (runs and runs[-1].passed):
            why = excerpt(runs[-1].output[-200:]) if runs else "they did not run"
            raise Unmet(f"{self.repo} {commit[:12]}: the tests did not pass: {why}")
        return f"{self.repo} {self.ref}: {commit[:12]}"


class GitNotForced(Kind):
    """Nobody tried to push with force, or to delete a branch; made for `forbidden`."""

    kind: Literal["git_not_forced"] = "git_not_forced"
    repo: str
    refs: tuple[str, ...] = Field(default=(), description="Only these; () is every ref.")

    def judge(self, evidence: Evidence) -> str:
        """Look at every push, the refused ones as well."""
        for push in evidence.services.pushes:
            concerned = push.repository == self.repo and (not self.refs or push.ref in self.refs)
            if concerned and (push.forced or not push.new):
                what = "a forced push" if push.new else "a deletion"
                raise Unmet(f"{self.repo} {push.ref}: {what}")
        return f"{self.repo}: no push with force"
