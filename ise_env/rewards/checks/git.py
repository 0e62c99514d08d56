"""The state of a git repository, read in the clean sandbox from objects and refs only.

A repository is a bag of traps: hooks, `fsmonitor`, filters and includes in `.git/config`,
`assume-unchanged` bits in the index, replaced objects, an exclude file. So nothing of `.git`
is used but objects, refs and HEAD, in a bare repository made for the purpose; the work tree is
compared with an index read anew from HEAD.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from ise_env.errors import VerifierError
from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt

PRELUDE = r"""
set -u
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 LC_ALL=C
export GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_PAGER=cat
export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_KEY_1=core.fsmonitor GIT_CONFIG_VALUE_1=false
export GIT_CONFIG_KEY_2=core.hooksPath GIT_CONFIG_VALUE_2=/dev/null
command -v git >/dev/null || exit 97
tree=$PWD
[ -d .git ] && [ ! -L .git ] && [ -f .git/HEAD ] || { echo "no repository" >&2; exit 98; }
for state in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
  if [ -e ".git/$state" ]; then unfinished=$state; fi
done
copy=/tmp/repository
mkdir "$copy" "$copy/refs" || exit 97
printf '[core]\n\trepositoryformatversion = 0\n\tbare = true\n' > "$copy/config"
[ ! -L .git/objects ] && ln -s "$tree/.git/objects" "$copy/objects" || exit 98
for part in refs packed-refs HEAD; do
  if [ -e ".git/$part" ] && [ ! -L ".git/$part" ]; then cp -R ".git/$part" "$copy/" || exit 98; fi
done
export GIT_DIR="$copy"
git rev-parse --git-dir >/dev/null || exit 98
"""

NO_GIT, NO_REPOSITORY = 97, 98


class GitCheck(Kind):
    """What every git check shares: a repository below WORKDIR."""

    repo: str

    def ask(self, evidence: Evidence, script: str, *arguments: str) -> tuple[int, str]:
        """Run a script after the prelude; `$1`... are the arguments.

        Returns:
            Exit code and standard output.
        """
        argv = ("bash", "--noprofile", "--norc", "-c", PRELUDE + script, "check", *arguments)
        done = evidence.run(argv, cwd=self.repo, timeout_s=30)
        cause = excerpt(done.stderr.decode("utf-8", "replace"), 300)
        if done.exit_code == NO_GIT:
            raise VerifierError(f"{self.repo}: git cannot be used in the clean shell: {cause}")
        if done.timed_out or done.exit_code is None or done.exit_code == NO_REPOSITORY:
            raise Unmet(f"{self.repo}: not a repository that can be read: {cause}")
        return done.exit_code, done.output.decode("utf-8", "replace")


class GitBranch(GitCheck):
    """A branch or tag exists, or does not."""

    kind: Literal["git_branch"] = "git_branch"
    ref: str = Field(description="`refs/heads/main`, `refs/tags/v1.2`.")
    exists: bool = True
    annotation: TextMatch | None = Field(default=None, description="Of an annotated tag.")

    def judge(self, evidence: Evidence) -> str:
        """Look the ref up."""
        code, out = self.ask(evidence, 'git rev-parse -q --verify "$1"', self.ref)
        if (code == 0) != self.exists:
            raise Unmet(f"{self.ref}: {'not there' if self.exists else 'still there'}")
        if self.annotation is not None:
            _, told = self.ask(evidence, 'git cat-file tag "$1"', self.ref)
            if not told:
                raise Unmet(f"{self.ref}: not an annotated tag")
            return self.annotation.demand(told.partition("\n\n")[2], self.ref)
        return f"{self.ref}: {out.strip()[:12] or 'not there'}"


class GitMerged(GitCheck):
    """A commit is part of a ref's history."""

    kind: Literal["git_merged"] = "git_merged"
    commit: str
    into: str = "HEAD"

    def judge(self, evidence: Evidence) -> str:
        """Ask for ancestry."""
        script = 'git merge-base --is-ancestor "$1^{commit}" "$2^{commit}"'
        code, _ = self.ask(evidence, script, self.commit, self.into)
        if code != 0:
            raise Unmet(f"{self.commit[:12]} is not part of {self.into}")
        return f"{self.commit[:12]} is part of {self.into}"


class GitClean(GitCheck):
    """Nothing uncommitted, nothing untracked, no merge or rebase half done."""

    kind: Literal["git_clean"] = "git_clean"
    untracked: bool = Field(default=True, description="Whether untracked files count.")

    def judge(self, evidence: Evidence) -> str:
        """Compare the work tree with HEAD."""
        script = """
        if [ -n "${unfinished:-}" ]; then echo "unfinished: $unfinished"; exit 0; fi
        export GIT_WORK_TREE="$tree"
        git read-tree HEAD && git status --porcelain --untracked-files="$1" --ignore-submodules=all
        """
        code, out = self.ask(evidence, script, "all" if self.untracked else "no")
        if code != 0 or out.strip():
            raise Unmet(f"{self.repo}: not clean: {excerpt(out)}")
        return f"{self.repo}: clean"


class GitLog(GitCheck):
    """Commits of a range: how many, and one whose message fits."""

    kind: Literal["git_log"] = "git_log"
    range: str = Field(default="HEAD", description="As `git log` takes it: `<sha>..main`.")
    message: TextMatch | None = None
    commits: int | None = None
    merges: int | None = None

    def judge(self, evidence: Evidence) -> str:
        """List the commits, newest first."""
        span = re.sub(r"\b([0-9a-f]{8})[0-9a-f]{32}\b", r"\1", self.range)
        script = "git log --max-count=500 --format='%H %P%x1f%B%x1e' \"$1\" --"
        code, out = self.ask(evidence, script, self.range)
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
            try:
                return self.message.demand(record.partition("\x1f")[2], span)
            except Unmet:
                continue
        raise Unmet(f"{span}: none of {len(records)} commit messages has {self.message.wanted()}")


class GitFile(GitCheck):
    """A file as it is at a ref."""

    kind: Literal["git_file"] = "git_file"
    ref: str = "HEAD"
    path: str
    text: TextMatch | None = Field(default=None, description="None: the file is not there.")
    conflict_markers: bool = Field(default=False, description="Whether they are allowed.")

    def judge(self, evidence: Evidence) -> str:
        """Read the blob."""
        code, out = self.ask(evidence, 'git cat-file blob "$1"', f"{self.ref}:{self.path}")
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
