"""Reading a table by what the request says of its columns."""

from __future__ import annotations

import pytest

from ise_env.users.columns import table_fault

DECIDE = "write q/d.csv with the columns id, decision (run or hold) and approvals (how many it has)"
DATES = (
    "list them in q/d.csv, with the columns host, not_after (as YYYY-MM-DD) and days_left; see b"
)
MONEY = "write q/d.csv with columns town, revenue (euro with two decimals), highest revenue first"
BEING = (
    "write q/d.csv with the columns ref and problem, where problem is `not there`, `odd` or `late`"
)
KINDS = "write q/d.csv with the columns who (name or handle) and mails"
DEAREST = "copy the two dearest offers from q/o.csv to q/d.csv, dearest first"
ONCE = (
    "write q/d.csv with the columns article and complaints, one row for each article that has any"
)
EVERY = "resume it so that q/d.csv has every order exactly once"


@pytest.mark.parametrize(
    ("request_", "rows", "case"),
    [
        (DECIDE, "id,decision,approvals\na,run,2\nb,hold,0", ""),
        (DECIDE, "id,decision,approvals\na,run,2\nb,wait,0", "challenge.cell"),
        (DECIDE, "id,decision,approvals\na,run,two\nb,hold,0", "challenge.cell"),
        (DECIDE, "id,decision,approvals\na,run,\nb,hold,0", ""),
        (DATES, "host,not_after,days_left\na,2025-02-03,4", ""),
        (DATES, "host,not_after,days_left\na,3 Feb 2025,4", "challenge.cell"),
        (MONEY, "town,revenue\nA,120.50\nB,9.10", ""),
        (MONEY, "town,revenue\nA,12050\nB,910", "challenge.cell"),
        (MONEY, "town,revenue\nA,9.10\nB,120.50", "challenge.order"),
        (BEING, "ref,problem\n1,odd\n2,not there", ""),
        (BEING, "ref,problem\n1,odd\n2,missing", "challenge.cell"),
        (KINDS, "who,mails\nAda,2\nada_l,3", ""),
        (DEAREST, "name,price\nA,3\nB,2", ""),
        (DEAREST, "name,price\nA,3", ""),
        (DEAREST, "name,price\nA,3\nB,2\nC,1", "challenge.too_many"),
        (DEAREST.replace("two", "9" * 5_000), "name,price\nA,3\nB,2\nC,1", ""),
        (ONCE, "article,complaints\nP1,2\nP2,1", ""),
        (ONCE, "article,complaints\nP1,2\nP2,1\nP1,1", "challenge.twice"),
        (EVERY, "order,sum\no1,2\no2,2", ""),
        (EVERY, "order,sum\no1,2\no1,2", "challenge.twice"),
        (EVERY, "town,sum\nA,2\nA,2", ""),
        (EVERY, "order,sum", ""),
    ],
)
def test_what_the_request_excludes_is_seen_and_nothing_else(
    request_: str, rows: str, case: str
) -> None:
    fault = table_fault(request_, "q/d.csv", rows.splitlines(), whole=True)
    assert (fault.case if fault else "") == case
    if fault is not None:
        assert fault.claim.startswith("q/d.csv: ")


def test_the_last_row_of_a_part_may_be_cut_off() -> None:
    rows = ["id,decision,approvals", "a,run,2", "b,ho,1"]
    assert table_fault(DECIDE, "q/d.csv", rows, whole=True) is not None
    assert table_fault(DECIDE, "q/d.csv", rows, whole=False) is None


def test_a_table_that_the_request_only_reads_is_not_judged_by_it() -> None:
    request = f"{DECIDE} and add q/d.csv to the list"
    assert table_fault(request, "q/d.csv", ["id,decision", "a,wait", "b,run"], whole=True) is None
