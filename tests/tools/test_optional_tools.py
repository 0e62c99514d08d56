"""cron and message: on the scheduler, the mail server and the chat room of a live workspace."""

import json

import pytest

from ise_env.services.episode import EpisodeServices
from ise_env.services.plan import plan
from ise_env.services.spec import Channel, ChatSeed, MailSeed, Person, ScheduleSeed
from ise_env.tools.registry import DEFAULT, resolve

ANNA = Person(name="Anna Keller", address="anna@harbour.example")
GONE = Person(name="Bo Lund", address="bo@harbour.example", bounces="no longer with us")
BACKUP = "15 3 * * * /workspace/harbour/backup.sh"
SEEDS = (
    MailSeed(people=(ANNA, GONE)),
    ChatSeed(people=(ANNA,), channels=(Channel(name="harbour", members=(ANNA.nick,)),)),
    ScheduleSeed(jobs=("# kept", BACKUP)),
)


@pytest.fixture
def office(local_backend, make_calls):
    wanted = plan([("test/kit", seed) for seed in SEEDS])
    workspace = local_backend.create(owner="tests", names=wanted.names)
    services = EpisodeServices(wanted, workspace, local_backend)
    calls = make_calls(workspace)
    calls.tools = resolve(["core", "cron", "message"])
    calls.context.services = services
    yield calls
    services.close()
    workspace.close()


def value(call, tool, **arguments):
    return json.loads(call.text(tool, **arguments))


def records(office):
    return office.context.services.records()


def test_they_are_offered_only_by_name(office, call):
    tools = resolve(["cron", "message"])
    assert not {"cron", "message"} & set(DEFAULT)
    assert all(tool.missing(call.context) for tool in tools.values())
    assert not any(tool.missing(office.context) for tool in tools.values())


def test_a_mail_with_an_attachment(office):
    office.text("write", path="harbour/plan.csv", content="berth,day\n")
    sent = value(
        office,
        "message",
        channel="mail",
        target="anna@harbour.example",
        subject="Plan",
        message="Here it is.",
        media=["harbour/plan.csv"],
    )
    assert (sent["ok"], sent["attachments"]) == (True, 1)
    (mail,) = records(office).mail
    assert mail.recipients == ("anna@harbour.example",)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"channel": "mail", "target": "bo@harbour.example", "message": "x"}, "refused"),
        ({"channel": "mail", "target": "a@b\nBcc: c@d", "message": "x"}, "bad_arguments"),
        ({"channel": "mail", "target": "anna@harbour.example", "message": " "}, "bad_arguments"),
        ({"channel": "mail", "target": "anna@harbour.example", "action": "read"}, "bad_arguments"),
        ({"channel": "chat", "target": "harbour", "message": "x"}, "bad_arguments"),
        ({"channel": "chat", "target": "#nowhere", "message": "x"}, "refused"),
        (
            {"channel": "mail", "target": "anna@harbour.example", "message": "x", "media": ["no"]},
            "not_found",
        ),
    ],
)
def test_what_cannot_be_sent(office, arguments, kind):
    assert office.error("message", **arguments)[1] == kind
    assert not records(office).mail
    assert not records(office).posts


def test_the_chat_room(office):
    value(office, "message", channel="chat", target="#harbour", message="Berth 7 is free.")
    value(office, "message", channel="chat", target=f"@{ANNA.nick}", message="Hello.")
    posts = records(office).posts
    assert [(post.channel, post.to, post.text) for post in posts] == [
        ("harbour", "", "Berth 7 is free."),
        ("", ANNA.nick, "Hello."),
    ]
    said = value(office, "message", channel="chat", target="#harbour", action="read")["result"]
    assert [m["text"] for m in said["messages"]] == ["Berth 7 is free."]


def job(command, **schedule):
    return {
        "name": "tidy  up",
        "schedule": schedule,
        "payload": {"kind": "command", "command": command},
    }


def test_jobs_come_change_and_go(office):
    added = value(
        office, "cron", action="add", job=job("date +%H >> log", kind="every", everyMs=900_000)
    )["job"]
    assert added["id"] == "job-1"
    assert added["schedule"]["expr"] == "*/15 * * * *"
    listed = value(office, "cron", action="list")["jobs"]
    assert [(each["id"], each["name"]) for each in listed] == [("line-1", ""), ("job-1", "tidy up")]
    patch = {"schedule": {"kind": "cron", "expr": "0 6 * * 1-5"}}
    value(office, "cron", action="update", jobId="job-1", patch=patch)
    assert [(j.schedule, j.command) for j in records(office).jobs] == [
        ("15 3 * * *", "/workspace/harbour/backup.sh"),
        ("0 6 * * 1-5", r"date +\%H >> log"),
    ]
    value(office, "cron", action="remove", jobId="job-1")
    table = office.text("exec", command="curl -s http://cron.office.example/crontab")
    assert table.strip() == f"# kept\n{BACKUP}"
    assert value(office, "cron", action="status")["jobs"] == 1


def test_a_line_of_crontab_s_can_be_changed(office):
    patch = {"schedule": {"kind": "at", "at": "2026-01-05T17:30:00Z"}}
    changed = value(office, "cron", action="update", jobId="line-1", patch=patch)["job"]
    assert changed["schedule"]["expr"] == "30 17 5 1 *"
    assert len(records(office).jobs) == 1


@pytest.mark.parametrize(
    ("schedule", "kind"),
    [
        ({"kind": "cron", "expr": "61 * * * *"}, "bad_schedule"),
        ({"kind": "every", "everyMs": 61_000}, "bad_schedule"),
        ({"kind": "every"}, "bad_schedule"),
        ({"kind": "at", "at": "tomorrow"}, "bad_schedule"),
        ({"kind": "never"}, "bad_arguments"),
    ],
)
def test_schedules_that_cannot_be_read(office, schedule, kind):
    assert office.error("cron", action="add", job=job("true", **schedule))[1] == kind


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"action": "add"}, "bad_arguments"),
        ({"action": "remove", "jobId": "job-9"}, "not_found"),
        ({"action": "update", "jobId": "line-1"}, "bad_arguments"),
        ({"action": "add", "job": job("a\nb", kind="cron", expr="@daily")}, "bad_arguments"),
    ],
)
def test_what_cannot_be_done_to_jobs(office, arguments, kind):
    assert office.error("cron", **arguments)[1] == kind


@pytest.mark.parametrize(
    ("minutes", "expression"),
    [(1, "*/1 * * * *"), (60, "0 * * * *"), (360, "0 */6 * * *"), (1440, "0 0 * * *")],
)
def test_every(office, minutes, expression):
    given = job("true", kind="every", everyMs=minutes * 60_000)
    assert value(office, "cron", action="add", job=given)["job"]["schedule"]["expr"] == expression
