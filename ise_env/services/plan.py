"""What all tasks of an episode want, put together: one mail server, one chat room, one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ise_env.errors import ConfigError
from ise_env.services.spec import (
    CHAT_HOST,
    CRON_HOST,
    GIT_HOST,
    MAIL_HOST,
    USER_ADDRESS,
    ChatSeed,
    MailSeed,
    Person,
    RepositorySeed,
    ScheduleSeed,
    ServiceSeed,
    SiteSeed,
    SupervisorSeed,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """The services of one episode.

    Attributes:
        mail: None where there is no mail.
        chat: None where there is no chat room.
        schedule: None where there is no scheduler.
        sites: With different hosts.
        repositories: With different names.
        supervised: With different folders; what runs inside, under a supervisor.
        people: Everybody in mail and chat, by address.
    """

    mail: MailSeed | None
    chat: ChatSeed | None
    schedule: ScheduleSeed | None
    sites: tuple[SiteSeed, ...]
    repositories: tuple[RepositorySeed, ...]
    supervised: tuple[SupervisorSeed, ...]
    people: dict[str, Person]

    @property
    def names(self) -> list[str]:
        """Host names that have to resolve inside, sorted."""
        own = (
            (self.mail, MAIL_HOST),
            (self.chat, CHAT_HOST),
            (self.schedule, CRON_HOST),
            (self.repositories, GIT_HOST),
        )
        return sorted([name for wanted, name in own if wanted] + [s.host for s in self.sites])


def plan(seeds: Iterable[tuple[str, ServiceSeed]]) -> Plan | None:
    """Put the wishes of several kits together.

    Args:
        seeds: Each with the name of its kit, for messages.

    Returns:
        None where nobody wants anything.

    Raises:
        ConfigError: Two wishes contradict each other, or one itself.
    """
    wanted = list(seeds)
    if not wanted:
        return None
    mails = [(kit, s) for kit, s in wanted if isinstance(s, MailSeed)]
    chats = [(kit, s) for kit, s in wanted if isinstance(s, ChatSeed)]
    clocks = [s for _, s in wanted if isinstance(s, ScheduleSeed)]
    everybody = [(kit, p) for kit, s in mails for p in s.people]
    everybody += [(kit, p) for kit, s in chats for p in s.people]
    people = _different(everybody, lambda p: p.address.lower(), "the person")
    sites = [(kit, s) for kit, s in wanted if isinstance(s, SiteSeed)]
    repositories = [(kit, s) for kit, s in wanted if isinstance(s, RepositorySeed)]
    supervised = [(kit, s) for kit, s in wanted if isinstance(s, SupervisorSeed)]
    channels = _different(
        [(kit, c) for kit, s in chats for c in s.channels], lambda c: c.name, "the channel"
    )
    made = Plan(
        mail=_mail([s for _, s in mails]) if mails else None,
        chat=ChatSeed(people=tuple(people.values()), channels=tuple(channels.values()))
        if chats
        else None,
        schedule=_schedule(clocks) if clocks else None,
        sites=tuple(_different(sites, lambda s: s.host, "the site").values()),
        repositories=tuple(
            _different(repositories, lambda r: r.name.lower(), "the repository").values()
        ),
        supervised=tuple(_different(supervised, lambda s: s.programs, "the folder").values()),
        people=people,
    )
    _check(made)
    return made


def outside(service: ServiceSeed, folder: str) -> str:
    """Name something in a kit's wish that does not belong to the kit's folder; or nothing."""
    home = f"{folder.lower()}.example"
    hosts: Sequence[str] = ()
    others: Sequence[str] = ()
    if isinstance(service, MailSeed | ChatSeed):
        hosts = [person.address.partition("@")[2] for person in service.people]
    if isinstance(service, SiteSeed):
        hosts = [service.host]
    if isinstance(service, RepositorySeed) and service.name.partition("/")[0] != folder:
        others = [service.name]
    if isinstance(service, SupervisorSeed) and service.programs.partition("/")[0] != folder:
        others = [service.programs]
    if isinstance(service, ChatSeed):
        slug = folder.lower()
        others = [
            channel.name
            for channel in service.channels
            if channel.name != slug and not channel.name.startswith(f"{slug}-")
        ]
    strange = [host for host in hosts if host != home and not host.endswith(f".{home}")]
    return next(iter([*strange, *others]), "")


def _mail(seeds: Sequence[MailSeed]) -> MailSeed:
    messages = [message for seed in seeds for message in seed.messages]
    return MailSeed(
        people=tuple(person for seed in seeds for person in seed.people),
        messages=tuple(sorted(messages, key=lambda m: m.when)),
        replies=tuple(reply for seed in seeds for reply in seed.replies),
    )


def _schedule(seeds: Sequence[ScheduleSeed]) -> ScheduleSeed:
    return ScheduleSeed(
        jobs=tuple(job for seed in seeds for job in seed.jobs),
        hours=max(seed.hours for seed in seeds),
    )


def _different(items: Sequence[tuple[str, T]], key: Callable[[T], str], what: str) -> dict[str, T]:
    """Items by their names; equal ones once."""
    found: dict[str, tuple[str, T]] = {}
    for kit, item in items:
        name = key(item)
        other = found.setdefault(name, (kit, item))
        if other[1] != item:
            raise ConfigError(f"{what} {name} is wanted by {other[0]} and, different, by {kit}")
    return {name: item for name, (_, item) in found.items()}


def _check(made: Plan) -> None:
    """Find what would only show as an odd failure later."""
    if USER_ADDRESS in made.people:
        raise ConfigError(f"{USER_ADDRESS} is the user, and nobody else")
    if made.mail is not None:
        for reply in made.mail.replies:
            if reply.person.lower() not in made.people:
                raise ConfigError(f"{reply.person} answers mail, but is none of the people")
    if made.chat is not None:
        nicks = {person.nick for person in made.chat.people}
        for channel in made.chat.channels:
            strangers = set(channel.members) - nicks
            if strangers:
                raise ConfigError(f"{channel.name}: no person is called {min(strangers)}")
