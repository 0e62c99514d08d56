"""Every kind of check, met and unmet, on trees that a real workspace left."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import tarfile
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ise_env.errors import VerifierError
from ise_env.rewards import checks as c
from ise_env.rewards.checks.crontab import parse_schedule
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.rewards.verifier import verify


def passes(check: c.Kind, evidence: Evidence) -> bool:
    """Judge a check that came back from JSON."""
    again = c.ANY_CHECK.validate_json(check.model_dump_json())
    assert again == check
    try:
        again.judge(evidence)
    except Unmet as unmet:
        return not str(unmet)
    return True


def database() -> bytes:
    base = sqlite3.connect(":memory:")
    base.executescript("create table t (a integer, b real); insert into t values (1, 2.5), (2, 4);")
    return base.serialize()


def zipped(contents: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return raw.getvalue()


def tarred(contents: dict[str, bytes], mode: str = "w:gz") -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


FILES: dict[str, str | bytes] = {
    "d/a.txt": "one\r\ntwo  \r\n",
    "d/run.sh": "#!/bin/sh\necho $(($1 + 1))\n",
    "d/data.json": '{"rows": [{"n": 1.5}], "ok": true}',
    "d/lines.jsonl": '{"id": 2}\n{"id": 1}\n',
    "d/t.csv": 'Name,Sum\n"Ann, B",1234.5\nBo,7\n',
    "d/base.db": database(),
    "d/z.zip": zipped({"x/": b"", "x/a": b"A", "b": b"B"}),
    "d/t.tar.gz": tarred({"./x/a": b"A", "b": b"B"}),
    "d/cron": "# c\nA=b\n5 4 * * mon-fri  cd /w && run.sh >> log\n@daily other\n",
    "d/sub/deep.txt": "x",
}

CASES: list[tuple[bool, dict[str, Any]]] = [
    (True, {"kind": "exists", "path": "d/a.txt"}),
    (True, {"kind": "exists", "path": "d/sub", "type": "directory"}),
    (False, {"kind": "exists", "path": "d/sub"}),
    (False, {"kind": "exists", "path": "d/nothing"}),
    (False, {"kind": "exists", "path": "d/a.txt", "executable": True}),
    (False, {"kind": "exists", "path": "d/a.txt", "min_bytes": 1000}),
    (True, {"kind": "absent", "path": "d/nothing"}),
    (False, {"kind": "absent", "path": "d/a.txt"}),
    (False, {"kind": "absent", "path": "d/nothing", "others": ["d/a.txt"]}),
    (True, {"kind": "text", "path": "d/a.txt", "text": {"equals": "one\ntwo\n"}}),
    (False, {"kind": "text", "path": "d/a.txt", "text": {"equals": "one\nthree\n"}}),
    (True, {"kind": "text", "path": "d/a.txt", "text": {"contains": ["one"], "lacks": ["six"]}}),
    (False, {"kind": "text", "path": "d/a.txt", "text": {"lacks": ["two"]}}),
    (True, {"kind": "text", "path": "d/a.txt", "text": {"matches": ["^t.o$"]}}),
    (True, {"kind": "text", "path": "d/a.txt", "text": {"contains": ["ONE"], "ignore_case": True}}),
    (False, {"kind": "text", "path": "d/a.txt", "text": {"contains": ["ONE"]}}),
    (True, {"kind": "tree", "path": "d/sub", "names": ["deep.txt"]}),
    (False, {"kind": "tree", "path": "d/sub", "names": []}),
    (True, {"kind": "tree", "path": "d/sub", "names": [], "ignore": ["*.txt"]}),
    (True, {"kind": "json_equals", "path": "d/data.json", "at": ["rows", 0, "n"], "equals": 1.5}),
    (False, {"kind": "json_equals", "path": "d/data.json", "at": ["rows", 1], "equals": 1}),
    (False, {"kind": "json_equals", "path": "d/data.json", "at": ["ok"], "equals": 1}),
    (False, {"kind": "json_equals", "path": "d/a.txt", "equals": 1}),
    (False, {"kind": "json_lines", "path": "d/lines.jsonl", "values": [{"id": 1}, {"id": 2}]}),
    (
        True,
        {
            "kind": "json_lines",
            "path": "d/lines.jsonl",
            "values": [{"id": 1}, {"id": 2}],
            "ordered": False,
        },
    ),
    (
        True,
        {
            "kind": "csv_rows",
            "path": "d/t.csv",
            "columns": ["sum", "name"],
            "rows": [["7.00", "Bo"], ["1234.50", "Ann, B"]],
        },
    ),
    (
        False,
        {
            "kind": "csv_rows",
            "path": "d/t.csv",
            "columns": ["sum", "name"],
            "rows": [["7.00", "Bo"], ["1234.50", "Ann, B"]],
            "ordered": True,
        },
    ),
    (False, {"kind": "csv_rows", "path": "d/t.csv", "columns": ["name"], "rows": [["Bo"]]}),
    (
        True,
        {
            "kind": "csv_cell",
            "path": "d/t.csv",
            "where": {"name": "Bo"},
            "column": "sum",
            "equals": "7",
        },
    ),
    (
        False,
        {
            "kind": "csv_cell",
            "path": "d/t.csv",
            "where": {"name": "Cy"},
            "column": "sum",
            "equals": "7",
        },
    ),
    (
        True,
        {
            "kind": "command",
            "argv": ["sh", "run.sh", "41"],
            "cwd": "d",
            "stdout": {"equals": "42"},
        },
    ),
    (
        False,
        {"kind": "command", "argv": ["sh", "run.sh", "1"], "cwd": "d", "stdout": {"equals": "3"}},
    ),
    (False, {"kind": "command", "argv": ["sh", "-c", "exit 3"]}),
    (True, {"kind": "command", "argv": ["sh", "-c", "echo hm; echo '[1.0, 2]'"], "prints": [1, 2]}),
    (False, {"kind": "command", "argv": ["sh", "-c", "echo '[1, 2]'; echo"], "prints": [1, 3]}),
    (False, {"kind": "command", "argv": ["true"], "prints": [1]}),
    (False, {"kind": "command", "argv": ["sh", "-c", "sleep 9"], "timeout_s": 0.3}),
    (False, {"kind": "command", "argv": ["./run.sh"], "cwd": "d"}),
    (False, {"kind": "command", "argv": ["true"], "cwd": "nowhere"}),
    (
        True,
        {
            "kind": "command",
            "argv": ["cat", "d/hidden"],
            "files": {"d/hidden": "secret"},
            "stdout": {"equals": "secret"},
        },
    ),
    (
        True,
        {"kind": "sqlite", "path": "d/base.db", "query": "select sum(b) from t", "rows": [[6.5]]},
    ),
    (
        False,
        {"kind": "sqlite", "path": "d/base.db", "query": "select sum(b) from t", "rows": [[6]]},
    ),
    (False, {"kind": "sqlite", "path": "d/base.db", "query": "select * from u", "rows": []}),
    (
        False,
        {
            "kind": "sqlite",
            "path": "d/a.txt",
            "query": "select 1",
            "rows": [[1]],
            "integrity": True,
        },
    ),
    (True, {"kind": "archive", "path": "d/z.zip", "names": ["x/a", "b"], "format": "zip"}),
    (True, {"kind": "archive", "path": "d/t.tar.gz", "names": ["x/a", "b"], "format": "tar"}),
    (False, {"kind": "archive", "path": "d/t.tar.gz", "names": ["x/a", "b"], "format": "zip"}),
    (False, {"kind": "archive", "path": "d/z.zip", "names": ["b"]}),
    (
        False,
        {"kind": "archive", "path": "d/z.zip", "names": ["x/a", "b"], "sha256": {"b": "0" * 64}},
    ),
    (False, {"kind": "archive", "path": "d/a.txt", "names": []}),
    (
        True,
        {
            "kind": "cron_line",
            "path": "d/cron",
            "schedule": "05 4 * * 1-5",
            "command": {"contains": ["run.sh"]},
        },
    ),
    (
        False,
        {
            "kind": "cron_line",
            "path": "d/cron",
            "schedule": "5 4 * * *",
            "command": {"contains": ["run.sh"]},
        },
    ),
    (
        True,
        {
            "kind": "cron_line",
            "path": "d/cron",
            "schedule": "0 0 * * *",
            "command": {"equals": "other"},
        },
    ),
    (False, {"kind": "cron_line", "path": "d/cron", "schedule": "0 0 * * *", "command": {}}),
]


def test_met_and_unmet(left: Any) -> None:
    evidence = left(FILES)
    for expected, spec in CASES:
        check = c.ANY_CHECK.validate_python({"id": "x", **spec})
        assert passes(check, evidence) is expected, spec


@pytest.mark.parametrize(
    ("number", "text", "expected"),
    [
        (1234.5, "The total is 1,234.50 euros.", True),
        (-12.3, "net: -12.30", True),
        (-12.3, "it is 12.30 less", True),
        (7, "7", True),
        (7, "see v7.1, 2025-07-07, 7:30, b7 and 7/8", False),
        (7, "I looked at 17 files", False),
        (7, " ".join(str(n) for n in range(100)), False),
    ],
)
def test_said_numbers(number: float, text: str, expected: bool, left: Any) -> None:
    assert passes(c.Said(id="x", number=number), left(says=("nothing", text))) is expected


def test_said_keeps_signs_when_asked_and_needs_one_condition(left: Any) -> None:
    evidence = left(says=("it is 5",))
    assert passes(c.Said(id="x", number=5, signed=True), evidence)
    assert not passes(c.Said(id="x", number=-5, signed=True), evidence)
    assert passes(c.Said(id="x", text=c.TextMatch(contains=("is 5",))), evidence)
    with pytest.raises(ValidationError):
        c.Said(id="x")


def test_changes(left: Any) -> None:
    evidence = left(
        {"d/a": "1", "d/b": "2", "e": "3"}, "echo 9 > d/a; rm d/b; echo n > d/new; echo 4 > e"
    )
    assert not passes(c.TouchedOnly(id="x", path="d"), evidence)
    assert not passes(c.TouchedOnly(id="x", path="d", allow=("d/a",)), evidence)
    assert passes(c.TouchedOnly(id="x", path="d", allow=("d/a", "d/b")), evidence)
    assert not passes(c.TouchedOnly(id="x", path="d", changes=("added",)), evidence)
    assert passes(c.TouchedOnly(id="x", path="d/new"), evidence)


REPO = """
git init -q -b main r && cd r && git config user.name A && git config user.email a@b
echo 1 > f && git add . && git commit -qm 'First thing'
git checkout -q -b side && echo 2 > g && git add . && git commit -qm 'Side thing'
git checkout -q main && git merge -q --no-ff -m Join side && git tag v1
"""


@pytest.mark.parametrize(
    ("expected", "after", "spec"),
    [
        (True, "", {"kind": "git_branch", "ref": "refs/heads/side"}),
        (False, "git branch -d side", {"kind": "git_branch", "ref": "refs/heads/side"}),
        (True, "git pack-refs --all", {"kind": "git_branch", "ref": "refs/tags/v1"}),
        (True, "git gc -q", {"kind": "git_merged", "commit": "side", "into": "main"}),
        (False, "", {"kind": "git_merged", "commit": "main", "into": "side"}),
        (True, "", {"kind": "git_clean"}),
        (False, "echo x > new", {"kind": "git_clean"}),
        (True, "echo x > new", {"kind": "git_clean", "untracked": False}),
        (False, "echo x > f", {"kind": "git_clean"}),
        (False, "echo x > f; git update-index --assume-unchanged f", {"kind": "git_clean"}),
        (False, "echo x > f; git config core.fsmonitor true", {"kind": "git_clean"}),
        (False, "echo x > n; echo n > .git/info/exclude", {"kind": "git_clean"}),
        (False, "cp .git/HEAD .git/MERGE_HEAD", {"kind": "git_clean"}),
        (True, "", {"kind": "git_log", "range": "side..main", "merges": 1, "commits": 1}),
        (True, "", {"kind": "git_log", "message": {"matches": ["^Side"]}}),
        (False, "", {"kind": "git_log", "message": {"matches": ["^Nowhere"]}}),
        (False, "", {"kind": "git_log", "range": "no..main"}),
        (True, "", {"kind": "git_log", "message": {"matches": ["^Side"]}, "author": "A <a@b>"}),
        (False, "", {"kind": "git_log", "message": {"matches": ["^Side"]}, "author": "B <a@b>"}),
        (True, "", {"kind": "git_lacks", "text": "Side thing", "range": "main~1"}),
        (False, "", {"kind": "git_lacks", "text": "Side thing"}),
        (
            False,
            "echo key-7 > k; git add k; git commit -qm x; git rm -q k; git commit -qm y",
            {"kind": "git_lacks", "text": "key-7"},
        ),
        (False, "", {"kind": "git_lacks", "text": "irst thin"}),
        (True, "", {"kind": "git_file", "path": "g", "text": {"equals": "2"}}),
        (True, "rm g", {"kind": "git_file", "path": "g", "text": {"equals": "2"}}),
        (True, "", {"kind": "git_file", "ref": "main~1", "path": "g"}),
        (False, "", {"kind": "git_file", "path": "g"}),
        (
            False,
            "printf '<<<<<<< a\\n2\\n=======\\n>>>>>>> b\\n' > g; git commit -qam x",
            {"kind": "git_file", "path": "g", "text": {"contains": ["2"]}},
        ),
        (False, "rm -rf .git", {"kind": "git_clean"}),
        (False, "rm .git/HEAD; mkfifo .git/HEAD", {"kind": "git_clean"}),
        (False, "rm -rf .git/objects; ln -s /etc .git/objects", {"kind": "git_clean"}),
        (
            False,
            "git replace side main~1",
            {"kind": "git_merged", "commit": "main", "into": "side"},
        ),
    ],
)
def test_git(left: Any, expected: bool, after: str, spec: dict[str, Any]) -> None:
    check = c.ANY_CHECK.validate_python({"id": "x", "repo": "r", **spec})
    assert passes(check, left(script=f"{REPO}\n{after}")) is expected


def test_git_bare(left: Any) -> None:
    """A remote that lies in the workspace can be asked, too."""
    evidence = left(script=f"{REPO}\ncd .. && git clone -q --bare r remote.git")
    assert passes(c.GitBranch(id="x", repo="remote.git", ref="refs/heads/side"), evidence)
    assert passes(c.GitMerged(id="x", repo="remote.git", commit="side", into="main"), evidence)
    assert not passes(c.GitBranch(id="x", repo="remote.git/refs", ref="refs/heads/side"), evidence)


def test_questions_to_a_repository_share_a_sandbox(left: Any) -> None:
    """Together they answer what each answers alone, whatever the contents look like."""
    evidence = left(script=f"{REPO}\nprintf '0 2\\n2\\n' > f; git commit -qam 'Third\n\n1 0'")
    checks = [
        c.GitFile(id="a", repo="r", path="f", text=c.TextMatch(equals="0 2\n2\n")),
        c.GitFile(id="b", repo="r", path="nowhere"),
        c.GitLog(id="c", repo="r", message=c.TextMatch(contains=("1 0",))),
        c.GitClean(id="d", repo="r"),
        c.GitClean(id="e", repo="elsewhere"),
    ]
    verdict = verify(checks, evidence)
    assert len(evidence.answers) == 4
    assert [v.verdict for v in verdict.checks] == ["passed"] * 4 + ["failed"]
    assert [passes(check, replace(evidence, answers={})) for check in checks] == [True] * 4 + [
        False
    ]


HOSTILE = {
    "a folder": "mkdir x",
    "a pipe": "mkfifo x",
    "a link outside": "ln -s /etc/passwd x",
    "a link to /proc": "ln -s /proc/self/environ x",
    "a link to itself": "ln -s x x",
    "a huge file": "truncate -s 200M x",
    "no text": r"printf '\377\376\000\001' > x",
    "nothing": "true",
    "empty": ": > x",
    "nested JSON": "python3 -c 'print(\"[\" * 100000)' > x",
    "nested objects": 'python3 -c \'print("{\\"a\\":" * 50000)\' > x',
    "a huge number": "python3 -c 'print(\"9\" * 100000)' > x",
    "a huge field": 'python3 -c \'print("a," + "b" * 999999)\' > x',
    "quotes without end": "printf 'a,b\\n\"1,2\\n3' > x",
    "many headers": 'python3 -c \'print(",".join(["a"] * 90000))\' > x',
    "half a database": "printf 'SQLite format 3\\000garbage' > x",
    "half a zip": "printf 'PK\\003\\004garbage' > x",
    "half a gzip": "printf '\\037\\213\\010garbage' > x",
    "a gzip bomb": "head -c 300M /dev/zero | gzip > x",
    "a tar bomb": "truncate -s 180M big && tar -cSzf x big && rm big",
    "a zip bomb": "head -c 150M /dev/zero > big && python3 -m zipfile -c x big && rm big",
    "unreadable": "echo no > x; chmod 0 x",
}

ON_X: list[dict[str, Any]] = [
    {"kind": "text", "path": "x", "text": {"contains": ["wanted"]}},
    {"kind": "hash", "path": "x", "sha256": "0" * 64},
    {"kind": "unchanged", "sha256": {"x": "0" * 64}},
    {"kind": "json_equals", "path": "x", "equals": 1},
    {"kind": "json_lines", "path": "x", "values": [1]},
    {"kind": "csv_rows", "path": "x", "columns": ["a", "b"], "rows": [["1", "2"]]},
    {
        "kind": "csv_cell",
        "path": "x",
        "where": {"a": "1"},
        "column": "b",
        "equals": "2",
    },
    {"kind": "archive", "path": "x", "names": ["a"]},
    {"kind": "sqlite", "path": "x", "query": "select a from t", "rows": [[1]], "integrity": True},
    {"kind": "cron_line", "path": "x", "schedule": "1 1 * * *", "command": {"contains": ["a"]}},
    {"kind": "tree", "path": "x", "names": ["a"]},
    {"kind": "git_clean", "repo": "x"},
    {"kind": "command", "argv": ["./x"]},
    {"kind": "command", "argv": ["true"], "cwd": "x/y"},
]


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_was_left_only_fails_the_check(name: str, left: Any) -> None:
    evidence = left(script=HOSTILE[name])
    for spec in ON_X:
        check = c.ANY_CHECK.validate_python({"id": "x", **spec})
        assert passes(check, evidence) is False, spec


def test_a_database_that_never_answers(left: Any) -> None:
    view = (
        "create table t (a); insert into t values (1); create view v as with recursive r(n) as "
        "(select 1 union all select n + 1 from r) select count(*) from r"
    )
    script = f'python3 -c \'import sqlite3; sqlite3.connect("x").executescript("""{view}""")\''
    check = c.Sqlite(id="x", path="x", query="select a from t", rows=((1,),))
    assert passes(check, left(script=script))


def test_a_missing_program_is_the_verifier_s_failure(left: Any) -> None:
    with pytest.raises(VerifierError):
        c.Command(id="x", argv=("no-such-program",)).judge(left())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("0 0 * * 0", "@weekly"),
        ("0 0 * * 7", "0 0 * * sun"),
        ("0 9-17/4 * jan,MAR *", "0 9,13,17 * 1,3 *"),
    ],
)
def test_schedules_that_mean_the_same(one: str, other: str) -> None:
    assert parse_schedule(one) == parse_schedule(other) is not None


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "* 5-3 * * *", "a * * * *", "*/0 * * * *"]
)
def test_no_schedules(text: str) -> None:
    assert parse_schedule(text) is None


@given(st.tuples(*(st.integers(0, high) for high in (59, 23, 27, 11, 6))))
def test_a_single_moment_is_read_back(moment: tuple[int, ...]) -> None:
    minute, hour, day, month, weekday = moment
    parsed = parse_schedule(f"{minute} {hour} {day + 1} {month + 1} {weekday}")
    assert parsed == tuple(frozenset({n}) for n in (minute, hour, day + 1, month + 1, weekday))


@given(st.text())
def test_any_text_is_a_schedule_or_is_not(text: str) -> None:
    parse_schedule(text)


@given(st.binary(max_size=300), st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b""]))
def test_any_bytes_are_an_archive_or_are_not(data: bytes, start: bytes) -> None:
    from ise_env.rewards.checks.archive import read_archive

    with contextlib.suppress(Unmet):
        read_archive(start + data, "x")


def _told(check: c.Kind, **said_of: list[str]) -> str:
    every = [text for texts in said_of.values() for text in texts]
    try:
        return check.judge(Evidence(frozen=None, agent_texts=every, said_of=said_of))  # type: ignore[arg-type]
    except Unmet as unmet:
        return f"not: {unmet}"


def test_said_looks_only_at_answers_about_its_subgoal():
    check = c.Said(id="x", subgoal="use", number=4, unit=("tr(y|ies)",))
    seen = _told(check, use=["It took 5 tries."], other=["The report has 4 lines; 4 tries."])
    assert seen == "not: the agent said: “It took 5 tries.”, which is not 4"
    assert "never said 4" in _told(check, other=["It took 4 tries."])


def test_looking_again_takes_nothing_back_and_may_make_good():
    check = c.Said(id="x", subgoal="use", number=4, unit=("tr(y|ies)",))

    def judged(said, rechecked):
        evidence = Evidence(frozen=None, said_of={"use": said}, rechecked_of={"use": rechecked})  # type: ignore[arg-type]
        return check.judge(evidence)

    assert "4 tries" in judged(["It took 4 tries."], ["I looked again: 9 tries are allowed."])
    assert "4 tries" in judged(["It took 5 tries."], ["I was wrong, 4 tries."])
    with pytest.raises(Unmet, match="It took 5 tries"):
        judged(["It took 5 tries."], ["I looked again: 5 tries."])
    with pytest.raises(Unmet, match="never said 4"):
        judged(["All done."], ["It took 6 tries."])


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (["It took 5 tries.", "Sorry, it took 4 tries."], True),
        (["It took 4 tries.", "No, it took 5 tries."], False),
        (["It took 4 tries.", "The log has 9 lines."], True),
        (["It took 4 tries.", "The log ends with `try 7 of 9: gave up`."], True),
        (["It took four tries."], True),
        (["4"], True),
        (["The log has 4 lines, and it took 5 tries."], False),
        ([], False),
    ],
)
def test_the_last_statement_of_that_kind_counts(messages, expected):
    check = c.Said(id="x", subgoal="use", number=4, unit=("tr(y|ies)",))
    assert (not _told(check, use=messages).startswith("not:")) is expected


def test_a_listing_does_not_take_a_named_commit_back():
    check = c.Said(
        id="x", subgoal="find", like=r"\b[0-9a-f]{7}", text=c.TextMatch(contains=("abc1234", "Ada"))
    )
    named, listing = "It was abc1234 by Ada.", "aaa1111 x\nbbb2222 y\nccc3333 z"
    assert not _told(check, find=[named, listing]).startswith("not:")
    seen = _told(check, find=[named, "No, it was def5678 by Bo."])
    assert seen.startswith(
        "not: the agent said: “No, it was def5678 by Bo.”, which is not “abc1234”"
    )
