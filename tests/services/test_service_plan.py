"""Putting several kits' wishes together, and refusing what does not fit."""

from __future__ import annotations

import pytest

from ise_env.errors import ConfigError
from ise_env.services.plan import outside, plan
from ise_env.services.spec import (
    Channel,
    ChatSeed,
    Mail,
    MailReply,
    MailSeed,
    Person,
    RepositorySeed,
    ScheduleSeed,
    SiteSeed,
)

ANNA = Person(name="Anna", address="anna@a.example")
BEN = Person(name="Ben", address="ben@b.example")


def mail(person, subject):
    return MailSeed(people=(person,), messages=(Mail(sender=person.address, subject=subject),))


def test_two_kits_share_one_mail_server_and_one_clock():
    made = plan(
        [
            ("x/one", mail(ANNA, "first")),
            ("x/two", mail(BEN, "second")),
            ("x/two", ChatSeed(people=(BEN,), channels=(Channel(name="b"),))),
            ("x/one", ScheduleSeed(hours=5)),
            ("x/two", ScheduleSeed(hours=30)),
            ("x/two", SiteSeed(host="b.example")),
        ]
    )
    assert {m.subject for m in made.mail.messages} == {"first", "second"}
    assert set(made.people) == {ANNA.address, BEN.address}
    assert made.schedule.hours == 30
    assert made.names == [
        "b.example", "chat.office.example", "cron.office.example", "mail.office.example",
    ]  # fmt: skip


def test_nothing_is_wanted():
    assert plan([]) is None


@pytest.mark.parametrize(
    ("seeds", "complaint"),
    [
        ((mail(ANNA, "a"), mail(ANNA.model_copy(update={"name": "B"}), "b")), "the person anna"),
        ((SiteSeed(host="a.example"), SiteSeed(host="a.example", token="t")), "the site a.example"),
        ((ChatSeed(channels=(Channel(name="a", members=("x.a",)),)),), "x.a"),
        ((mail(Person(name="I", address="me@office.example"), "a"),), "is the user"),
        (
            (MailSeed(replies=(MailReply(person="x@a.example", answer=Mail(
                sender="x@a.example", subject="s")),)),),
            "x@a.example answers",
        ),
    ],
)  # fmt: skip
def test_contradictions(seeds, complaint):
    with pytest.raises(ConfigError, match=complaint):
        plan(("x/kit", seed) for seed in seeds)


@pytest.mark.parametrize(
    ("seed", "strange"),
    [
        (mail(ANNA, "a"), ""),
        (mail(Person(name="A", address="a@post.a.example"), "a"), ""),
        (mail(BEN, "b"), "b.example"),
        (SiteSeed(host="api.a.example"), ""),
        (SiteSeed(host="nota.example"), "nota.example"),
        (RepositorySeed(name="a/x", stream=""), ""),
        (RepositorySeed(name="ab/x", stream=""), "ab/x"),
        (ChatSeed(channels=(Channel(name="a"), Channel(name="a-more"))), ""),
        (ChatSeed(channels=(Channel(name="ab"),)), "ab"),
        (ScheduleSeed(), ""),
    ],
)
def test_names_belong_to_the_folder(seed, strange):
    assert outside(seed, "a") == strange
