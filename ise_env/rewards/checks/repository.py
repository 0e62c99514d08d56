"""Questions to a git repository, put in the clean sandbox to its objects and refs only.

A repository is a bag of traps: hooks, `fsmonitor`, filters and includes in `.git/config`,
`assume-unchanged` bits in the index, replaced objects, an exclude file. So nothing of `.git`
is used but objects, refs and HEAD, in a bare repository made for the purpose.

Making that sandbox costs more than most questions, so all questions to one repository share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ise_env.errors import VerifierError
from ise_env.rewards.evidence import Answer, Evidence, Question, Unmet, excerpt
from ise_env.workspaces.protocol import Completed, SeedFile

PRELUDE = r"""
set -u
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 LC_ALL=C
export GIT_NO_REPLACE_OBJECTS=1 GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_PAGER=cat
export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_KEY_1=core.fsmonitor GIT_CONFIG_VALUE_1=false
export GIT_CONFIG_KEY_2=core.hooksPath GIT_CONFIG_VALUE_2=/dev/null
command -v git >/dev/null || exit 97
tree=$PWD
from=$PWD/.git
# A bare repository, such as a remote, has no work tree.
[ -e .git ] || { [ -f HEAD ] && [ -d refs ] && from=$PWD; }
[ -d "$from" ] && [ ! -L "$from" ] && [ -f "$from/HEAD" ] || { echo "no repository" >&2; exit 98; }
for state in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
  if [ -e "$from/$state" ]; then unfinished=$state; fi
done
copy=/tmp/repository
mkdir "$copy" "$copy/refs" || exit 97
printf '[core]\n\trepositoryformatversion = 0\n\tbare = true\n' > "$copy/config"
[ ! -L "$from/objects" ] && ln -s "$from/objects" "$copy/objects" || exit 98
for part in refs packed-refs HEAD; do
  if [ -e "$from/$part" ] && [ ! -L "$from/$part" ]; then
    cp -R "$from/$part" "$copy/" || exit 98
  fi
done
export GIT_DIR="$copy"
git rev-parse --git-dir >/dev/null || exit 98
"""

NO_GIT, NO_REPOSITORY = 97, 98

_REMOTE = "/tmp/remote"
"""Where a copy of a remote repository is laid; not in the tree, which may be full."""

EACH = r"""
while [ $# -gt 0 ]; do
  script=$1 count=$2; shift 2
  ( set -- "${@:1:$count}"; eval "$script" ) > /tmp/answer
  echo "$? $(wc -c < /tmp/answer)"
  cat /tmp/answer
  shift "$count"
done
"""
"""Takes a script, the number of its arguments and these, again and again; before each answer
stand its exit code and its length, so that no content can pass for another answer."""


def ask(question: Question, evidence: Evidence) -> Answer:
    """Put one question, unless `ask_together` has.

    Raises:
        Unmet: There is no repository that can be read.
        VerifierError: Git cannot be used.
    """
    if question not in evidence.answers:
        evidence.answers.update(_run([question], evidence))
    return evidence.answers[question]


def ask_together(questions: Iterable[Question], evidence: Evidence) -> None:
    """Put all questions afresh, in one sandbox a repository; `evidence.answers` keeps them.

    A repository in which that fails is left out: each check finds out on its own, and says so.
    """
    by_repo: dict[tuple[str, bool], list[Question]] = {}
    for question in dict.fromkeys(questions):
        evidence.answers.pop(question, None)
        by_repo.setdefault((question.repo, question.remote), []).append(question)
    for asked in by_repo.values():
        try:
            evidence.answers.update(_run(asked, evidence))
        except (Unmet, VerifierError):
            continue


def _run(questions: list[Question], evidence: Evidence) -> dict[Question, Answer]:
    repo = questions[0].repo
    told = [word for q in questions for word in (q.script, str(len(q.arguments)), *q.arguments)]
    argv = ("bash", "--noprofile", "--norc", "-c", PRELUDE + EACH, "check", *told)
    if questions[0].remote:
        done = _run_on_copy(argv, repo, evidence)
    else:
        done = evidence.run(argv, cwd=repo, timeout_s=30)
    cause = excerpt(done.stderr.decode("utf-8", "replace"), 300)
    if done.exit_code == NO_GIT:
        raise VerifierError(f"{repo}: git cannot be used in the clean shell: {cause}")
    if done.timed_out or done.exit_code != 0:
        raise Unmet(f"{repo}: not a repository that can be read: {cause}")
    if done.omitted:
        raise Unmet(f"{repo}: git has too much to say: {done.total} bytes")
    return dict(zip(questions, _answers(done.output), strict=True))


def _run_on_copy(argv: tuple[str, ...], repo: str, evidence: Evidence) -> Completed:
    """Lay the git host's copy of a repository into the sandbox and ask there."""
    contents = evidence.services.repositories.get(repo)
    if contents is None:
        raise Unmet(f"{repo}: there is no such repository on the git host")
    files = [SeedFile(f"{_REMOTE}/{path}", content) for path, content in contents.items()]
    script = f'cd {_REMOTE} && exec "$@"'
    return evidence.run(("bash", "-c", script, "check", *argv), files=files, timeout_s=30)


def _answers(output: bytes) -> Iterator[Answer]:
    """Cut the output of `EACH` into answers."""
    while output:
        head, _, output = output.partition(b"\n")
        code, length = map(int, head.split())
        yield code, output[:length].decode("utf-8", "replace")
        output = output[length:]
