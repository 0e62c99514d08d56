"""The git host through a real workspace: clone, push, tests of commits, protected branches."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from ise_env.errors import WorkspaceError
from ise_env.rewards.checks import (
    GitNotForced,
    GitPushed,
    GitRemoteBranch,
    GitRemoteFile,
    GitRemoteLog,
    GitRemoteMerged,
    TextMatch,
)
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.services.episode import ServiceError
from ise_env.services.spec import RepositorySeed
from ise_env.tasks.git_seed import Commit, RepoSeed

ANN = "Ann Lee <ann@harbour.example>"
REPO = RepoSeed(
    path="unused",
    commits=(
        Commit("Add sums", {"sums.py": "def add(a, b):\n    return a - b\n"}, ANN,
               datetime(2026, 1, 2, 9)),
        Commit("Add a test", {"check.py": "from sums import add\nassert add(2, 2) == 4, 'add'\n"},
               ANN, datetime(2026, 1, 3, 9)),
    ),
)  # fmt: skip
SEED = RepositorySeed(
    name="harbour/sums",
    stream=REPO.stream(),
    closed=("release",),
    tests=("python3", "-B", "check.py"),
)
FIX = """
set -e
git clone -q http://git.office.example/harbour/sums.git
cd sums
sed -i 's/a - b/a + b/' sums.py
git commit -qam 'Add, do not subtract'
"""


def judge(place, *checks):
    evidence = Evidence(place.workspace.freeze(), services=place.services.records())
    passed = []
    for check in checks:
        try:
            check.judge(evidence)
            passed.append(True)
        except Unmet:
            passed.append(False)
    return passed


def test_clone_and_push_with_tests_that_pass(serve):
    place = serve(SEED)
    said = place.shell(FIX + "git push origin main 2>&1; git rev-parse HEAD")
    assert "passed" in said
    commit = said.split()[-1]
    at = f"http://git.office.example/api/harbour/sums/commits/{commit}/status"
    assert json.loads(place.shell(f"curl -s {at}"))["state"] == "success"
    repo = {"repo": "harbour/sums", "id": "g"}
    assert judge(
        place,
        GitPushed(**repo, ref="refs/heads/main"),
        GitPushed(**repo, ref="refs/heads/other"),
        GitRemoteBranch(**repo, ref="refs/heads/main"),
        GitRemoteBranch(**repo, ref="refs/heads/other"),
        GitRemoteMerged(**repo, commit=REPO.tip("main"), into="refs/heads/main"),
        GitRemoteMerged(**repo, commit=commit, into="refs/heads/main"),
        GitRemoteLog(**repo, range=f"{REPO.tip('main')}..main", commits=1),
        GitRemoteFile(**repo, ref="main", path="sums.py", text=TextMatch(contains=("a + b",))),
        GitRemoteFile(**repo, ref="main", path="sums.py", text=TextMatch(contains=("a - b",))),
        GitNotForced(**repo),
    ) == [True, False, True, False, True, True, True, True, False, True]


def test_tests_that_fail_are_told_and_counted(serve):
    place = serve(SEED)
    said = place.shell(FIX.replace("a + b", "a * b + 1") + "git push origin HEAD:refs/heads/x 2>&1")
    assert "failed" in said and "AssertionError: add" in said
    checks = (
        GitPushed(id="g", repo="harbour/sums", ref="refs/heads/x"),
        GitPushed(id="g", repo="harbour/sums", ref="refs/heads/x", tested=False),
    )
    assert judge(place, *checks) == [False, True]


def test_a_gate_takes_back_what_fails(serve):
    place = serve(SEED.model_copy(update={"gate": True}))
    said = place.shell(FIX.replace("a + b", "a * b + 1") + "git push origin main 2>&1 || echo no")
    assert "the tests failed" in said and "no" in said.split()
    after = "git fetch -q; git rev-parse origin/main"
    assert REPO.tip("main") in place.shell(f"cd sums && {after}")
    assert judge(
        place, GitPushed(id="g", repo="harbour/sums", ref="refs/heads/main", tested=False)
    ) == [False]


def test_protected_and_closed_branches(serve):
    place = serve(SEED)
    place.shell(FIX + "git push -q origin main HEAD:refs/heads/mine")
    rewrite = "cd sums; git commit -q --amend -m other; "
    forced = place.shell(rewrite + "git push --force origin main 2>&1 || echo no")
    assert "takes no forced push" in forced and forced.endswith("no\n")
    assert "no" in place.shell("cd sums; git push origin :main 2>&1 || echo no").split()
    assert "is closed" in place.shell("cd sums; git push origin HEAD:release 2>&1 || echo no")
    assert "no" not in place.shell("cd sums; git push -q -f origin HEAD:mine || echo no").split()
    repo = {"repo": "harbour/sums", "id": "g"}
    assert judge(
        place,
        GitRemoteBranch(**repo, ref="refs/heads/main"),
        GitRemoteBranch(**repo, ref="refs/heads/release", exists=False),
        GitNotForced(**repo),
        GitNotForced(**repo, refs=("refs/heads/release",)),
    ) == [True, True, False, True]


@pytest.mark.parametrize(
    "request_line",
    [
        "curl -s http://git.office.example/harbour/../../etc/passwd.git/info/refs",
        "curl -s --path-as-is http://git.office.example/../../etc/passwd",
        "curl -s 'http://git.office.example/harbour/sums.git/info/refs?service=git-upload-archive'",
        "curl -s http://git.office.example/harbour/sums.git/git-receive-pack -d 0005x",
        "curl -s http://git.office.example/harbour/sums.git/HEAD",
    ],
)
def test_what_is_not_served(serve, request_line):
    place = serve(SEED)
    assert "root" not in place.shell(request_line)
    code = place.shell(f"{request_line} -o /dev/null -w '%{{http_code}}'")
    assert 400 <= int(code) < 500


def test_what_was_pushed_never_runs_on_the_host(serve, tmp_path):
    """Hooks, filters and test commands of the agent's leave no trace outside."""
    place = serve(SEED.model_copy(update={"tests": ("sh", "run.sh")}))
    trace = tmp_path / "trace"
    tmp_path.chmod(0o777)
    place.shell(
        FIX
        + f"echo 'touch {trace}; id -u; hostname' > run.sh; mkdir hooks; cp run.sh hooks/update;"
        "chmod +x hooks/update; printf '* filter=x export-subst\\n' > .gitattributes;"
        f"git config filter.x.clean 'touch {trace}'; git add -A; git commit -qm hooks;"
        "git push -q origin main"
    )
    place.workspace.freeze()
    records = place.services.records()
    assert not trace.exists()
    assert [run.output.split()[-1] for run in records.test_runs] == ["workspace"]


def test_a_commit_that_ends_everything_around_it_fails(serve):
    place = serve(SEED.model_copy(update={"tests": ("sh", "run.sh")}))
    said = place.shell(
        FIX + "echo 'kill -9 -1' > run.sh; git add -A; git commit -qm x; git push origin main 2>&1"
    )
    assert "failed" in said


def test_tests_that_cannot_run_are_not_the_agents_fault(serve, monkeypatch):
    place = serve(SEED)

    def broken(**options):
        raise WorkspaceError("no more workspaces")

    monkeypatch.setattr(place.services._backend, "create", broken)
    place.shell(FIX + "git push origin main 2>&1")
    monkeypatch.undo()
    place.workspace.freeze()
    with pytest.raises(ServiceError, match="git could not run tests: no more workspaces"):
        place.services.records()
