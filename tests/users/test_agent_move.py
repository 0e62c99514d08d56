"""What the agent's last message does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.users.agent_move import classify

CASES = [
    ("", "silent"),
    ("  \n ", "silent"),
    ("Done: the merge is finished.", "claimed_done"),
    ("I've written report.csv with 14 rows.", "claimed_done"),
    ("All 12 tests pass now, the bug was in src/calc.py.", "claimed_done"),
    ("The report is ready in out/summary.md.", "claimed_done"),
    ("I created the index. Let me know if you need anything else!", "claimed_done"),
    ("The file has been updated. Is there anything else I can do?", "claimed_done"),
    ("Which branch should the fix go to?", "asked"),
    ("I found two ledgers. Which one do you mean?", "asked"),
    ("Please tell me which month you want.", "asked"),
    ("Shall I overwrite the old report?", "asked_to_confirm"),
    ("This deletes 14 files. Do you want me to go ahead?", "asked_to_confirm"),
    ("I would drop the duplicates. Is that okay?", "asked_to_confirm"),
    ("Please confirm that I may delete the old archive.", "asked_to_confirm"),
    ("I could not find ledger/march.csv.", "reported_error"),
    ("The push failed: permission denied.", "reported_error"),
    ("I was unable to install the package.", "reported_error"),
    ("The first run failed, but I fixed the path and it now works. Done.", "claimed_done"),
    ("I'll start with the log files now.", "promised"),
    ("Let me check the repository first.", "promised"),
    ("So far I sorted half of the folder.", "partial"),
    ("I did two of them, and now for the rest.", "partial"),
    ("half-year/wrong.csv has 6 lines.", "said"),
    ("I am halfway through the folder.", "partial"),
    ("3 are slips; hours.csv covers the rest of the 40 shifts.", "said"),
    ("I wait for the rest.\n\nAll four are finished; 3 rows are left out.", "claimed_done"),
    ("I got stuck there: what I needed was not in the output.", "reported_error"),
    ("I got stuck on the fix, it is not finished.", "partial"),
    ("The answer is 42.", "said"),
    ("Here is where I am.", "said"),
    ("I am not going to do anything.", "declined"),
    ("I have nothing to do here.", "declined"),
    ("No action from my side.", "declined"),
    ("I hold no solution for this request, so I have not done anything.", "declined"),
    ("I compared inbox and rows: 6a7,11.", "reported_error"),
    ("I looked for the listed files: 9 files still there.", "reported_error"),
    ("I looked for the listed files: 0 files still there.", "said"),
    ("Inbox and rows differ in 7 names, first claim-59.", "reported_error"),
    ('It could not be posted: {"error": "the channel is archived"}', "reported_error"),
    (
        'The push failed at first ("not a fast-forward"), now it is merged and pushed.',
        "claimed_done",
    ),
    ("0 commits merged as `a09fe9d Measure the core`.", "reported_error"),
    ("10 commits merged as `a09fe9d Measure the core`.", "said"),
    ("The checker still fails.", "reported_error"),
    (
        "test_sum failed because of `a - b`. Now: FAILED (failures=1), all modules compile.",
        "reported_error",
    ),
    ("shop/cart.py does not look as I expected; I stopped at test_case_1.", "reported_error"),
    (
        "p/report.py is written. On 0 tables it prints the same as the shell script.",
        "reported_error",
    ),
    ("I ran 0 tests again; the result is `OK`.", "reported_error"),
    ("I ran 12 tests again; the result is `OK`.", "claimed_done"),
    ("The run ended with exit code 2.", "reported_error"),
    ("The commit is 4c570119c.", "said"),
    ("It prints 3 lines; the report has ? lines.", "said"),
    ("你想用哪个文件？", "asked"),
    ("报告已经写好了。", "said"),
    ("```python\nif x == '?':\n    raise Error('failed')\n```", "said"),
    ("Here is the code:\n```\nwhat?\n```\nI saved it to a.py.", "claimed_done"),
]


@pytest.mark.parametrize(("text", "kind"), CASES)
def test_reads_what_a_message_does(text: str, kind: str) -> None:
    assert classify(text).kind == kind


def test_keeps_the_question_that_is_open() -> None:
    move = classify("I found two files. Which one is the ledger?")
    assert move.question == "Which one is the ledger?"
    assert move.waits


def test_a_question_answered_by_the_agent_itself_in_a_heading_is_none() -> None:
    assert classify("# What changed?\nI updated config.yaml and saved it.").kind == "claimed_done"


@given(st.text())
def test_any_text_is_some_move(text: str) -> None:
    assert classify(text).kind


def test_a_megabyte_is_read_in_passing() -> None:
    assert classify("All fine. " * 100_000 + "Which one?").kind == "asked"
