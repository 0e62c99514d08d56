"""What a request lets a person expect, and what they see to be missing."""

from __future__ import annotations

import pytest

from ise_env.users.expecting import is_told, visible_fault, wanted

ROWS = "split it by region and tell me how many rows had to be rejected"
COMMIT = "find the commit that broke it, and tell me its id and who wrote it"
OPEN = "write those with anything open to desk/open.csv with the columns id, name and open (a sum)"
KEYS = "write api/out.json with the keys products, out_of_stock (both counts) and average"
LIST = "list the paths in a/audit.txt, one a line and sorted, starting with common/"


@pytest.mark.parametrize(
    ("request_", "text", "told"),
    [
        (ROWS, "Done: the split is finished.", False),
        (ROWS, "I split it into 55 files.", False),
        (ROWS, "The parts are in out/2024.csv.", False),
        (ROWS, "Rows that had to be rejected: 3.", True),
        (ROWS, "3.", True),
        (ROWS, "None had to be rejected.", True),
        (COMMIT, "The commit that broke the self-check is done now.", False),
        (COMMIT, "It was 570119c.", False),
        (COMMIT, "It was 570119c by Beatriz Petrov.", True),
        ("add it up and tell me the sum", "Together that is -12.50.", True),
        ("see why it fails and tell me why", "Done.", False),
        ("see why it fails and tell me why", "The path in the config points at an old disk.", True),
    ],
)
def test_an_answer_is_one_if_it_could_be_right(request_: str, text: str, told: bool) -> None:
    want = wanted(request_)
    assert want is not None
    assert is_told(text, want) is told


@pytest.mark.parametrize(
    "request_", ["write the report to out.md", "tell me about it", "give me the number of rows"]
)
def test_nothing_is_missed_that_was_not_asked_for(request_: str) -> None:
    assert wanted(request_) is None


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
    ],
)
def test_only_what_is_plain_to_see_is_a_fault(
    request_: str, path: str, head: str, case: str
) -> None:
    fault = visible_fault(request_, path, head)
    assert (fault.case if fault else "") == case
