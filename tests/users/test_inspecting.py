"""Looking into a result: what a person sees to be wrong."""

from __future__ import annotations

import pytest

from ise_env.tasks.kit import SubGoal
from ise_env.users.digest import clip
from ise_env.users.inspecting import miscounted, visible_fault
from ise_env.users.ledger import Ledger
from ise_env.users.looking import contradiction
from ise_env.users.protocol import Digest

OPEN = "write those with anything open to desk/open.csv with the columns id, name and open (a sum)"
KEYS = "write api/out.json with the keys products, out_of_stock (both counts) and average"
LIST = "list the paths in a/audit.txt, one a line and sorted, starting with common/"
BY_ID = "clean s/raw.jsonl into s/clean.jsonl, sorted by id, with seen as YYYY-MM-DD"
MEMORY = "merge m/a.md and m/b.md into m/MEMORY.md"
IGNORE = "take conf/keys.ini out of the commits and list it in .gitignore"


@pytest.mark.parametrize(
    ("request_", "path", "head", "case"),
    [
        (OPEN, "desk/open.csv", "id,name,open\n1,Ada,2.50", ""),
        (OPEN, "desk/open.csv", "Id, Name, Open\n1,Ada,2.50", ""),
        (OPEN, "desk/open.csv", "id,who,open\n1,Ada,2.50", "challenge.column"),
        (OPEN, "desk/open.csv", "id,name,open", "challenge.bare"),
        (OPEN, "desk/open.csv", "id,name,open\n1,Ada,2\n2,Bo,3,x", "challenge.ragged"),
        (OPEN, "desk/open.csv", 'id,name,open\n1,"Ada, B.",2\n2,Bo,3', ""),
        (OPEN, "desk/other.csv", "ref\n1", ""),
        (KEYS, "api/out.json", '{"products": 1, "out_of_stock": 0, "average": 2}', ""),
        (KEYS, "api/out.json", '{"products": 1, "average": 2}', "challenge.lacking"),
        (KEYS, "api/out.json", "{\n" + '"x": 1,\n' * 9, ""),
        (LIST, "a/audit.txt", "common/a\ncommon/b", ""),
        (LIST, "a/audit.txt", "common/b\ncommon/a", "challenge.order"),
        (LIST, "a/audit.txt", "a.txt\nb.txt", "challenge.prefix"),
        (LIST, "a/audit.txt", "", ""),
        (BY_ID, "s/clean.jsonl", '{"id": 2}\n{"id": 10}\n{"id": 30}', ""),
        (BY_ID, "s/clean.jsonl", '{"id": 30}\n{"id": 10}\n{"id": 2}', ""),
        (BY_ID, "s/clean.jsonl", '{"id": 30}\n{"id": 2}\n{"id": 20}', "challenge.order"),
        (BY_ID, "s/clean.jsonl", '{"id": 2, "seen": "03/04/2025"}', "challenge.value"),
        (MEMORY, "m/MEMORY.md", "# Memory\n\n- disk: the blue one (2025-09-27)", ""),
        (MEMORY, "m/MEMORY.md", "# Memory\n\n- disk: - (2025-09-27)", "challenge.value"),
        (IGNORE, "w/.gitignore", "*.log\n", "challenge.lacking"),
        (IGNORE, "w/.gitignore", "*.log\nkeys.ini\n", ""),
    ],
)
def test_only_what_is_plain_to_see_is_a_fault(
    request_: str, path: str, head: str, case: str
) -> None:
    fault = visible_fault(request_, path, head, whole=len(head.splitlines()) < 10)
    assert (fault.case if fault else "") == case


@pytest.mark.parametrize(
    ("said", "rows", "fault"),
    [
        ("a/list.txt lists 3 names.", 3, False),
        ("a/list.txt has 3 rows.", 4, False),
        ("a/list.txt has 9 rows.", 3, True),
        ("a/list.txt has 30 rows.", 90, True),
        (f"a/list.txt has {'9' * 5_000} rows.", 3, False),
        ("Of 81 lines 60 are left in a/list.txt.", 3, False),
    ],
)
def test_a_figure_is_held_against_the_file(said: str, rows: int, fault: bool) -> None:
    found = miscounted(said, "a/list.txt", "row\n" * rows)
    assert (found is not None) is fault


def test_nobody_counts_the_lines_of_what_is_no_text() -> None:
    assert miscounted("a/shop.db has 37 lines.", "a/shop.db", "(not text, 20480 bytes)") is None


@pytest.mark.parametrize("whole", [False, True])
def test_nobody_counts_a_file_of_which_only_the_beginning_was_seen(whole: bool) -> None:
    goal = SubGoal("write", "write the digest to a/b.md", "the digest", (), ("a/b.md",))
    book = Ledger((goal,))
    text = "# Week\n\n## Done\n\n- a\n- b\n- c\n\n## Open\n\n- d\n- e\n- f\n- g\n"
    digest = Digest("a/b.md has 14 lines.", heads=(("a/b.md", clip(text)),))
    assert contradiction(book.goals["write"], digest, book, whole=whole) is None
    short = Digest("a/b.md has 14 lines.", heads=(("a/b.md", "# Week\n\n- a"),))
    fault = contradiction(book.goals["write"], short, book, whole=whole)
    assert fault is not None
    assert fault.case == "challenge.count"
