"""What was done to the services, as the host saw it: what checks read.

Plain data, complete when the episode ends. The agent can add to it by using the services, and
cannot change what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue


@dataclass(frozen=True)
class SentFile:
    """An attachment of a mail that was sent."""

    name: str
    content: bytes


@dataclass(frozen=True)
class SentMail:
    """A mail that the server has accepted.

    Attributes:
        sender: Of the envelope.
        recipients: Of the envelope, lower case: who really gets it, blind copies included.
        subject: Decoded.
        body: Decoded text parts, attachments left out.
        attachments: Decoded.
        in_reply_to: Message-IDs of In-Reply-To and References, without brackets.
        header_sender: Address of the header From; empty when it has none.
        copies: Addresses of the header Cc, lower case.
        raw: Everything as it came.
    """

    sender: str
    recipients: tuple[str, ...]
    subject: str
    body: str
    attachments: tuple[SentFile, ...] = ()
    in_reply_to: tuple[str, ...] = ()
    header_sender: str = ""
    copies: tuple[str, ...] = ()
    raw: bytes = b""


@dataclass(frozen=True)
class HttpRequest:
    """A request to one of the web sites, in order of arrival.

    Attributes:
        host: Site that answered.
        method: Upper case.
        path: Decoded, without the query.
        query: Keys and values, in order.
        body: As it was sent, cut at the site's limit.
        status: Of the answer.
    """

    host: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    status: int = 200


@dataclass(frozen=True)
class Post:
    """What the agent has said in the chat room: in a channel, or to one person."""

    text: str
    channel: str = ""
    to: str = ""


@dataclass(frozen=True)
class Job:
    """A line of the scheduler's table."""

    schedule: str
    command: str


@dataclass(frozen=True)
class Firing:
    """A job that fell due and ran."""

    job: Job
    at: datetime
    exit_code: int | None
    output: str


@dataclass(frozen=True)
class Push:
    """One ref that somebody tried to change.

    Attributes:
        repository: `<folder>/<name>`.
        ref: `refs/heads/main`.
        old: Commit before; empty for a new ref.
        new: Commit wanted; empty for a deletion.
        refused: Why it was not taken; empty when it was.
        forced: Whether it would have left commits behind.
    """

    repository: str
    ref: str
    old: str
    new: str
    refused: str = ""
    forced: bool = False


@dataclass(frozen=True)
class CommitTests:
    """What the tests of a pushed commit came to."""

    repository: str
    commit: str
    passed: bool
    output: str


@dataclass(frozen=True)
class ServiceRecords:
    """Everything that was done to an episode's services.

    Attributes:
        mail: Accepted mails.
        requests: To web sites.
        collections: Records at the end, by (host, path).
        posts: In the chat room.
        jobs: Of the scheduler at the end.
        firings: In the order of their times.
        pushes: Taken and refused.
        test_runs: Of pushed commits.
        repositories: Files of each bare repository at the end (objects, refs, HEAD), by name.
    """

    mail: Sequence[SentMail] = ()
    requests: Sequence[HttpRequest] = ()
    collections: Mapping[tuple[str, str], Sequence[dict[str, JsonValue]]] = field(
        default_factory=dict
    )
    posts: Sequence[Post] = ()
    jobs: Sequence[Job] = ()
    firings: Sequence[Firing] = ()
    pushes: Sequence[Push] = ()
    test_runs: Sequence[CommitTests] = ()
    repositories: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
