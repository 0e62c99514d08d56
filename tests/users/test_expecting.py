"""What a request lets a person expect to be told."""

from __future__ import annotations

import pytest

from ise_env.users.expecting import is_told, wanted

ROWS = "split it by region and tell me how many rows had to be rejected"
COMMIT = "find the commit that broke it, and tell me its id and who wrote it"


@pytest.mark.parametrize(
    ("request_", "text", "told"),
    [
        (ROWS, "Done: the split is finished.", False),
        (ROWS, "I split it into 55 files.", False),
        (ROWS, "in.csv goes from `no,team,sum` to `46-0200,GREY,127.92`.", False),
        (ROWS, "It is `7`.", True),
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
    "request_",
    [
        "write the report to out.md",
        "tell me about it",
        "give me the number of rows",
        "tell me the addresses of those who asked and got none",
    ],
)
def test_nothing_is_missed_that_was_not_asked_for(request_: str) -> None:
    assert wanted(request_) is None
