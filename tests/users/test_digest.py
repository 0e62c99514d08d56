"""What a user can observe, on a real workspace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ise_env.users import digest
from ise_env.users.digest import DigestBuilder, mentioned, render
from ise_env.workspaces.protocol import HOME, FileChange, SeedFile, Workspace


class Looker:
    """Opens the paths it is told to."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def wants_to_open(self, agent_text: str, changes: tuple[FileChange, ...]) -> tuple[str, ...]:
        return self.paths


@pytest.fixture
def workspace(local_backend) -> Iterator[Workspace]:
    space = local_backend.create(owner="test")
    space.populate([SeedFile("data/in.csv", b"a,b\n1,2\n"), SeedFile("old.txt", b"old")])
    space.checkpoint()
    yield space
    space.close()


def test_changes_are_those_since_the_last_look(workspace: Workspace) -> None:
    watching = DigestBuilder(workspace)
    assert watching.build("Hello.").changes == ()
    workspace.write("out.md", b"# Result\n")
    assert [(c.path, c.change) for c in watching.build("").changes] == [("out.md", "added")]
    assert watching.build("").changes == ()
    workspace.write("out.md", b"# Results\n")
    workspace.run("rm old.txt")
    changed = {c.path: c.change for c in watching.build("").changes}
    assert changed == {"out.md": "added", "old.txt": "deleted"}
    workspace.run("rm out.md")
    assert {c.path: c.change for c in watching.build("").changes} == {"out.md": "deleted"}


def test_an_edit_of_the_same_size_is_seen(workspace: Workspace) -> None:
    watching = DigestBuilder(workspace)
    workspace.write("data/in.csv", b"a,b\n1,3\n")
    watching.build("")
    workspace.write("data/in.csv", b"a,b\n1,4\n")
    assert [c.path for c in watching.build("").changes] == ["data/in.csv"]


def test_caches_are_nobodys_business_and_lists_are_bounded(workspace: Workspace) -> None:
    workspace.run(
        "mkdir -p __pycache__ .git node_modules/x many; touch __pycache__/a.pyc .git/HEAD "
        "node_modules/x/index.js; for i in $(seq 50); do echo $i > many/$i.txt; done"
    )
    seen = DigestBuilder(workspace).build("")
    assert len(seen.changes) == digest.MAX_CHANGES
    assert seen.more_changes == 30
    assert all(c.path.startswith("many/") for c in seen.changes)


def test_opened_files_show_their_first_lines(workspace: Workspace) -> None:
    workspace.write("big.txt", b"line\n" * 200_000)
    workspace.write("binary.bin", bytes(range(256)))
    heads = dict(DigestBuilder(workspace, Looker("big.txt", "binary.bin")).build("").heads)
    assert heads["big.txt"].splitlines() == ["line"] * digest.HEAD_LINES
    assert heads["binary.bin"] == "(not text, 256 bytes)"
    assert dict(DigestBuilder(workspace, Looker("data")).build("").heads) == {"data": "in.csv"}


def test_nobody_reads_a_long_file_to_its_end(workspace: Workspace) -> None:
    workspace.write("short.csv", b"id,sum\n" + b"1,2\n" * 900)
    workspace.write("long.csv", b"id,sum\n" + b"1,2\n" * 20_000)
    workspace.write("huge.csv", b"id,sum\n" + b"1,2\n" * 200_000)
    for name, whole in (("short.csv", True), ("long.csv", False), ("huge.csv", False)):
        seen = DigestBuilder(workspace, Looker(name)).build("")
        assert [path for path, _ in seen.heads] == [name]
        assert [path for path, _ in seen.contents] == ([name] if whole else [])


def test_an_expected_result_that_is_missing_empty_or_untouched_is_said_so(
    workspace: Workspace,
) -> None:
    workspace.run("touch empty.md; mkdir hollow")
    look = lambda *paths: DigestBuilder(workspace, Looker(*paths)).build("Done.").claims  # noqa: E731
    assert look("gone.md", "empty.md") == ("gone.md: not there", "empty.md: 0 bytes")
    assert look("hollow", "data/in.csv") == ("hollow: an empty directory", "data/in.csv: unchanged")
    workspace.run("mkdir data/.git && echo x > data/.git/HEAD")
    assert look("data/in.csv") == ()


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("I wrote the summary to out/summary.md.", ("out/summary.md: not there",)),
        ("Created `empty.md` for you.", ("empty.md: 0 bytes",)),
        ("I deleted old.txt.", ("old.txt: still there",)),
        ("The results are in data/in.csv.", ()),
        ("I wrote /workspace/data/in.csv.", ()),
        ("I saved in.csv.", ()),
        ("I saved other.csv.", ("other.csv: not there",)),
        ("data/removed.txt has 18 lines.", ()),
        ("I kept to what is written there, what RULES.md says on line 4.", ()),
        ("I kept to your words “I deleted old.txt and nothing else”.", ()),
        ("The report is now in out/report.md.", ("out/report.md: not there",)),
        ("The summary was written to sum.md.", ("sum.md: not there",)),
        ("I removed 3 rows from data/in.csv.", ()),
        ("Should I create report.csv?", ()),
        ("I will create report.csv next.", ()),
        ("report.csv was not created.", ()),
        ("I created it, see https://example.com/report.csv for the format.", ()),
        ("I generated version 1.2.3 of it.", ()),
        ("Saved ~/notes.md and /tmp/x.txt.", ("~/notes.md: not there", "/tmp/x.txt: not there")),
        ("I ran this:\n```\ncreated fake.csv\n```\n", ()),
    ],
)
def test_claims_are_held_against_what_is_there(
    workspace: Workspace, text: str, claims: tuple[str, ...]
) -> None:
    workspace.run("touch empty.md")
    assert DigestBuilder(workspace).build(text).claims == claims


def test_a_file_found_elsewhere_is_no_contradiction(workspace: Workspace) -> None:
    workspace.write("deep/er/report.csv", b"x\n")
    digest = DigestBuilder(workspace)
    assert digest.build("I created report.csv.").claims == ()
    assert digest.build("I moved er/report.csv, as it was there twice.").claims == ()


def test_a_digest_stays_small_whatever_the_agent_writes(workspace: Workspace) -> None:
    workspace.run("for i in $(seq 60); do head -c 3000 /dev/zero | tr '\\0' x > f$i.txt; done")
    text = "I created f1.txt and g{0}.csv. ".replace("{0}", "x" * 50) * 30_000
    seen = DigestBuilder(workspace, Looker("f1.txt", "f2.txt")).build(text)
    assert len(seen.agent_text) + len(render(seen)) < 6_500


def test_a_workspace_that_the_agent_ended_is_no_error(workspace: Workspace) -> None:
    workspace.run("kill -9 -1", timeout_s=5)
    seen = DigestBuilder(workspace, Looker("data/in.csv")).build("Done.")
    assert seen.agent_text == "Done."


def test_without_a_workspace_only_the_text_is_seen() -> None:
    assert DigestBuilder(None).build("I wrote a.csv.") == digest.Digest("I wrote a.csv.")


def test_paths_are_found_in_text() -> None:
    text = "See `a/b.csv`, ./c.md. v1.2 3.14 www.site.com (d.py) e.g. https://x.org/y.csv"
    assert mentioned(text) == ["a/b.csv", "./c.md", "d.py"]


MAIL = (
    b"From: Ada Okoro <ada@example.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nThe price is 12.\n"
)


def test_mail_that_comes_is_seen_once_and_what_lay_there_is_no_news(workspace: Workspace) -> None:
    workspace.write(f"{HOME}/Maildir/new/1.one.host", MAIL)
    watching = DigestBuilder(workspace)
    workspace.run(
        f"mv {HOME}/Maildir/new/1.one.host {HOME}/Maildir/one && mkdir {HOME}/Maildir/cur"
    )
    workspace.run(f"mv {HOME}/Maildir/one {HOME}/Maildir/cur/1.one.host:2,S")
    workspace.write(f"{HOME}/Maildir/new/2.two.host", MAIL)
    seen = watching.build("Sent.")
    assert seen.mail == ("Ada Okoro <ada@example.org>: Grüße",)
    assert "New mail from Ada Okoro" in render(seen)
    assert "The price" not in render(seen)
    assert watching.build("").mail == ()


def test_a_broken_mailbox_is_nobodys_failure(workspace: Workspace) -> None:
    watching = DigestBuilder(workspace)
    workspace.run(f"mkdir -p {HOME}/Maildir/new/folder && echo x > {HOME}/Maildir/cur")
    workspace.write(f"{HOME}/Maildir/new/3.host", b"\xff\x00")
    assert watching.build("").mail == ("nobody: (no subject)",)


def test_a_folder_that_is_called_like_home_is_not_home(workspace: Workspace) -> None:
    watching = DigestBuilder(workspace)
    watching.build("")
    workspace.run("mkdir '~' && echo one > '~/note'")
    assert [c.path for c in watching.build("").changes] == ["~/note"]
    workspace.run("echo two > '~/note'")
    assert [c.path for c in watching.build("").changes] == ["~/note"]
    workspace.run("rm -r '~'")
    assert [(c.path, c.change) for c in watching.build("").changes] == [("~/note", "deleted")]
