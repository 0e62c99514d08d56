"""The scheduler through a real workspace: a table, a command, a clock that moves at the end."""

from __future__ import annotations

import pytest

from ise_env.rewards.checks import ScheduleFired, ScheduleRegistered, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.services.spec import ScheduleSeed

SEED = ScheduleSeed(jobs=("0 9 * * 1 echo weekly >> /workspace/weekly.log",), hours=24)


def judge(place, *checks):
    place.services.advance()
    evidence = Evidence(place.workspace.freeze(), services=place.services.records())
    passed = []
    for check in checks:
        try:
            check.judge(evidence)
            passed.append(True)
        except Unmet:
            passed.append(False)
    return passed, evidence


def test_a_job_is_registered_and_fires(serve):
    place = serve(SEED)
    assert "weekly" in place.shell("crontab -l")
    place.shell(
        "(crontab -l; echo '*/30 7-8 * * * cd /workspace && date +\\%Y >> years.log'; "
        "echo '15 10 * * * false') > table && crontab table"
    )
    job = {"id": "s", "schedule": "*/30 7,8 * * *", "command": TextMatch(contains=("years.log",))}
    passed, evidence = judge(
        place,
        ScheduleRegistered(**job),
        ScheduleRegistered(**{**job, "schedule": "*/20 7,8 * * *"}),
        ScheduleFired(id="f", command=job["command"], times=4, exactly=True),
        ScheduleFired(id="f", command=TextMatch(contains=("weekly",)), exactly=True),
        ScheduleFired(id="f", command=TextMatch(equals="false")),
    )
    assert passed == [True, False, True, True, False]
    # From 08:00 on Monday: 08:30, then 07:00, 07:30 and 08:00 on Tuesday.
    assert len(evidence.text("years.log").split()) == 4
    assert evidence.text("weekly.log") == "weekly\n"


def test_a_table_that_cannot_be_read_changes_nothing(serve):
    place = serve(SEED)
    said = place.shell("(echo '# ok'; echo '61 * * * * x') | crontab - 2>&1; crontab -l")
    assert "line 2" in said and "weekly" in said
    assert "No such file" in place.shell("crontab nothing 2>&1")
    assert place.shell("crontab -r; crontab -l") == ""


def test_jobs_are_bounded(serve):
    place = serve(SEED)
    place.shell("for i in 1 2 3; do echo '* * * * * echo hi'; done | crontab -")
    _, evidence = judge(place)
    assert len(evidence.services.firings) == 15


@pytest.mark.parametrize("kill", ["kill -9 -1", "true"])
def test_a_workspace_without_processes_fires_nothing_or_goes_on(serve, kill):
    place = serve(SEED)
    place.shell(kill)
    _, evidence = judge(place)
    assert len(evidence.services.firings) <= 1
