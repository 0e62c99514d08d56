"""What a task wants to find on its workspace's loopback: mail, web sites, git, chat, cron.

A kit puts these into `Seed(services=(...))`; they are data, frozen and JSON-able. All tasks of
an intent share one mail server, one chat room, one git host and one scheduler, so a kit's
services keep to names that contain its own folder, as its files keep to that folder. For a kit
with the folder `harbour-books` (`Seed.services` outside of these names is refused at admission):

========  ====================================================================================
service   what belongs to the kit
========  ====================================================================================
mail      people at `harbour-books.example` or below it (`anna@post.harbour-books.example`)
web       sites called `harbour-books.example` or below it (`api.harbour-books.example`)
git       repositories called `harbour-books/<name>`
chat      channels called `harbour-books` or `harbour-books-<more>`; members are its people, by
          their `Person.nick` (`anna.harbour-books`)
schedule  the jobs whose command names a path below `harbour-books/`
programs  those in ini files of a folder below `harbour-books/`, called `harbour-books-<more>`
========  ====================================================================================

What an agent finds inside, whatever the kits: names that resolve to 127.0.0.1, and a file
`TOOLS.md` in `WORKDIR` that tells how each service is reached. Mail for the user lies in
`~/Maildir`, people in `~/contacts.vcf`; mail is sent by SMTP to `MAIL_HOST`:25.

Example:
    >>> anna = Person(name="Anna Keller", address="anna@harbour-books.example")
    >>> MailSeed(people=(anna,), messages=(Mail(sender=anna.address, subject="Hello"),)).service
    'mail'
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

OFFICE = "office.example"
USER_ADDRESS = f"me@{OFFICE}"
"""The user's own address, on whose behalf the agent writes."""
USER_NAME = "me"
"""The user's name in the chat room."""
MAIL_HOST = f"mail.{OFFICE}"
GIT_HOST = f"git.{OFFICE}"
CHAT_HOST = f"chat.{OFFICE}"
CRON_HOST = f"cron.{OFFICE}"

EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
"""When seeded things happen unless they say otherwise, and where the scheduler's clock starts."""

ADDRESS = r"^[A-Za-z0-9._+-]{1,64}@[a-z0-9][a-z0-9.-]{0,250}[a-z0-9]$"
HOST = r"^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$"
BRANCH = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
SLUG = r"^[a-z0-9][a-z0-9._-]*$"


LINE = r"^[^\r\n]*$"

Address = Annotated[str, Field(pattern=ADDRESS)]


class Part(BaseModel):
    """Base of everything below."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )


class Person(Part):
    """Somebody the user may write to."""

    name: str = Field(pattern=LINE)
    address: Address
    organisation: str = ""
    title: str = ""
    phone: str = ""
    note: str = ""
    listed: bool = Field(default=True, description="Whether the user's contacts have them.")
    bounces: str = Field(
        default="", description="Mail to them is refused with this text (SMTP 550 5.1.1)."
    )

    @property
    def nick(self) -> str:
        """Their name in the chat room: `anna.harbour-books` for `anna@harbour-books.example`."""
        local, _, domain = self.address.lower().partition("@")
        return f"{local}.{domain.removesuffix('.example')}"


# --- mail --------------------------------------------------------------------------------------


class Attachment(Part):
    """A file that goes with a mail."""

    name: str
    content: bytes
    media_type: str = "text/plain"


class Mail(Part):
    """A mail in the user's inbox, or one that somebody answers with."""

    sender: Address
    to: tuple[Address, ...] = (USER_ADDRESS,)
    cc: tuple[Address, ...] = ()
    subject: str = Field(pattern=LINE)
    body: str = ""
    when: datetime = EPOCH
    attachments: tuple[Attachment, ...] = ()
    id: str = Field(
        default="", pattern=LINE, description="Message-ID without brackets; derived if empty."
    )
    in_reply_to: str = Field(default="", pattern=LINE, description="Message-ID without brackets.")
    seen: bool = Field(default=True, description="In `cur` with flag S; otherwise in `new`.")


class MailReply(Part):
    """Somebody answers when they get a certain mail: at once, and once."""

    person: Address
    contains: tuple[str, ...] = Field(
        default=(), description="In subject or body, in whatever case; all of them."
    )
    answer: Mail


class MailSeed(Part):
    """The user's inbox and the people in it."""

    service: Literal["mail"] = "mail"
    people: tuple[Person, ...] = ()
    messages: tuple[Mail, ...] = ()
    replies: tuple[MailReply, ...] = ()


# --- web ---------------------------------------------------------------------------------------


class Page(Part):
    """What a GET of one address answers."""

    path: str = Field(pattern=r"^/", description="With its query, if it has one: `/list?page=2`.")
    body: str | bytes = ""
    media_type: str = "text/html; charset=utf-8"
    status: int = Field(default=200, ge=200, le=599)
    redirect: str = Field(default="", description="Location; the status is then 302 unless 3xx.")
    title: str = Field(default="", description="For the search index; `<title>` if empty.")
    published: datetime | None = Field(default=None, description="For searches by date.")


class Failure(Part):
    """An address answers with an error a few times before it works."""

    path: str = Field(pattern=r"^/")
    status: int = Field(default=500, ge=400, le=599)
    times: int = Field(default=1, ge=1, le=20)
    method: str = "GET"


class RateLimit(Part):
    """After so many requests to the API, 429 with Retry-After until the pause is over."""

    requests: int = Field(ge=1)
    pause_s: int = Field(default=1, ge=1, le=5, description="Real seconds.")


class Collection(Part):
    """Records behind a JSON API.

    `GET path?page=2` answers `{"items", "page", "pages", "total", "next"}` (`next` is null on the
    last page); any other query key filters by equality of the field. `GET path/<key>` answers one
    record, 404 `{"error"}` where there is none. Where `writable`, `POST path` adds the record that
    is sent (201; the server gives `key` where it is missing; 422 where a field of `fields` is
    missing or unknown; 409 where the key is taken), `PATCH path/<key>` changes fields,
    `DELETE path/<key>` removes.
    """

    path: str = Field(pattern=r"^/[A-Za-z0-9/._-]*[A-Za-z0-9]$")
    items: tuple[dict[str, JsonValue], ...] = ()
    key: str = "id"
    page_size: int = Field(default=20, ge=1, le=500)
    writable: tuple[Literal["POST", "PATCH", "DELETE"], ...] = ()
    fields: tuple[str, ...] = Field(
        default=(), description="A posted record has exactly these besides its key; () is any."
    )


class SiteSeed(Part):
    """One web site, on port 80 of its name."""

    service: Literal["web"] = "web"
    host: str = Field(pattern=HOST)
    pages: tuple[Page, ...] = ()
    collections: tuple[Collection, ...] = ()
    token: str = Field(
        default="", description="Collections then ask for `Authorization: Bearer <token>`."
    )
    rate: RateLimit | None = Field(default=None, description="For collections.")
    failures: tuple[Failure, ...] = ()
    forms: tuple[str, ...] = Field(
        default=(), description="Paths that take any POST: 200 and a receipt number as JSON."
    )
    first_receipt: int = Field(default=1, description="Number of the first receipt; they go up.")
    indexed: bool = Field(default=True, description="Whether `web_search` knows its pages.")


Branch = Annotated[str, Field(pattern=BRANCH)]

# --- git ---------------------------------------------------------------------------------------


class RepositorySeed(Part):
    """A bare repository at `http://git.office.example/<name>.git`; cloning and pushing work.

    `http://git.office.example/api/<name>/commits/<sha>/status` answers
    `{"state": "success" | "failure" | "pending" | "none", "output": "..."}`.
    """

    service: Literal["git"] = "git"
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[a-z0-9][a-z0-9._-]*$")
    stream: str = Field(description="For git fast-import: `git_seed.RepoSeed(...).stream()`.")
    head: str = "main"
    protected: tuple[Branch, ...] = Field(
        default=("main",), description="Branches that take no force push and no deletion."
    )
    closed: tuple[Branch, ...] = Field(
        default=(), description="Branches that take no push at all: work goes to another branch."
    )
    tests: tuple[str, ...] = Field(
        default=(),
        description="Command run on every pushed commit, in a workspace of its own; () is none.",
    )
    gate: bool = Field(
        default=False, description="Whether a protected branch takes only commits that pass."
    )


# --- schedule ----------------------------------------------------------------------------------


class ScheduleSeed(Part):
    """The scheduler behind `crontab`, on a virtual clock that moves when the episode ends.

    Then every job that falls due until `hours` have passed runs in the workspace, in the order
    of their times, as the agent's user.
    """

    service: Literal["schedule"] = "schedule"
    jobs: tuple[str, ...] = Field(default=(), description="Crontab lines that are there already.")
    hours: int = Field(default=24, ge=1, le=24 * 40)


# --- chat --------------------------------------------------------------------------------------


class ChatMessage(Part):
    """Something that was said in a channel."""

    sender: str = Field(description="A member's chat name, or `me`.")
    text: str
    when: datetime = EPOCH


class ChatReply(Part):
    """A member answers when the user says a certain thing: at once, and once."""

    sender: str
    contains: tuple[str, ...] = Field(default=(), description="In whatever case; all of them.")
    text: str


class Channel(Part):
    """A channel of the chat room; the user is a member of each."""

    name: str = Field(pattern=SLUG)
    topic: str = ""
    members: tuple[str, ...] = Field(default=(), description="Chat names, without the user's.")
    messages: tuple[ChatMessage, ...] = ()
    replies: tuple[ChatReply, ...] = ()
    archived: bool = Field(default=False, description="Nobody can post any more (403).")


class ChatSeed(Part):
    """Channels, and the people whom direct messages reach.

    The API at `http://chat.office.example`: `GET /api/channels`, `GET /api/users`,
    `GET /api/channels/<name>/messages?limit=50&before=<id>` (newest last),
    `POST /api/channels/<name>/messages` and `POST /api/users/<nick>/messages` with
    `{"text": "..."}`, `GET /api/users/<nick>/messages`.
    """

    service: Literal["chat"] = "chat"
    people: tuple[Person, ...] = ()
    channels: tuple[Channel, ...] = ()


class SupervisorSeed(Part):
    """Programs of the workspace that a process supervisor inside it starts and watches.

    The supervisor is Supervisor (supervisord.org): `supervisord` runs when the episode begins, and
    `supervisorctl` speaks with it. A program is a section of an ini file, `[program:NAME]`; such a
    name belongs to the kit when it begins with the kit's folder.
    """

    service: Literal["supervisor"] = "supervisor"
    programs: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$",
        description="Folder below WORKDIR; what is called *.ini in it is read.",
    )
    ports: tuple[int, ...] = Field(
        default=(), description="Of 127.0.0.1, at which programs answer when the episode begins."
    )


ServiceSeed = Annotated[
    MailSeed | SiteSeed | RepositorySeed | ScheduleSeed | ChatSeed | SupervisorSeed,
    Field(discriminator="service"),
]
