"""The kinds of checks, one subject a file, and `AnyCheck`, their union as data.

A check travels as JSON and is told apart by `kind`:

    >>> from ise_env.rewards.checks import ANY_CHECK
    >>> ANY_CHECK.validate_python({"kind": "absent", "id": "gone", "path": "a.lock"}).path
    'a.lock'
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from ise_env.rewards.checks.archive import Archive
from ise_env.rewards.checks.chat import ChatNotPosted, ChatPosted
from ise_env.rewards.checks.command import Command
from ise_env.rewards.checks.crontab import CronLine
from ise_env.rewards.checks.delegated import Delegated
from ise_env.rewards.checks.endpoint import EndpointAnswers
from ise_env.rewards.checks.files import Absent, Exists, Hash, Text, TouchedOnly, Tree, Unchanged
from ise_env.rewards.checks.git import GitBranch, GitClean, GitFile, GitLacks, GitLog, GitMerged
from ise_env.rewards.checks.git_remote import (
    GitNotForced,
    GitPushed,
    GitRemoteBranch,
    GitRemoteFile,
    GitRemoteLog,
    GitRemoteMerged,
)
from ise_env.rewards.checks.http import ApiRecords, HttpNotReceived, HttpReceived
from ise_env.rewards.checks.json_data import JsonEquals, JsonLines
from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.checks.mail import AttachmentMatch, MailNotSent, MailSent
from ise_env.rewards.checks.media import Film, Frame, Patch, Picture, Sound, Spoken, Tone
from ise_env.rewards.checks.never_said import NeverSaid
from ise_env.rewards.checks.processes import Processes
from ise_env.rewards.checks.said import Said
from ise_env.rewards.checks.schedule import ScheduleFired, ScheduleRegistered
from ise_env.rewards.checks.sqlite import Sqlite
from ise_env.rewards.checks.table import CsvCell, CsvRows

AnyCheck = Annotated[
    Absent
    | ApiRecords
    | Archive
    | ChatNotPosted
    | ChatPosted
    | Command
    | CronLine
    | CsvCell
    | CsvRows
    | Delegated
    | EndpointAnswers
    | Exists
    | Film
    | GitBranch
    | GitClean
    | GitFile
    | GitLacks
    | GitLog
    | GitMerged
    | GitNotForced
    | GitPushed
    | GitRemoteBranch
    | GitRemoteFile
    | GitRemoteLog
    | GitRemoteMerged
    | Hash
    | HttpNotReceived
    | HttpReceived
    | JsonEquals
    | JsonLines
    | MailNotSent
    | MailSent
    | NeverSaid
    | Picture
    | Processes
    | Said
    | ScheduleFired
    | ScheduleRegistered
    | Sound
    | Spoken
    | Sqlite
    | Text
    | TouchedOnly
    | Tree
    | Unchanged,
    Field(discriminator="kind"),
]

ANY_CHECK: TypeAdapter[Kind] = TypeAdapter(AnyCheck)
"""Reads a check back from JSON or a dict."""

__all__ = [
    "ANY_CHECK",
    "Absent",
    "AnyCheck",
    "ApiRecords",
    "Archive",
    "AttachmentMatch",
    "ChatNotPosted",
    "ChatPosted",
    "Command",
    "CronLine",
    "CsvCell",
    "CsvRows",
    "Delegated",
    "EndpointAnswers",
    "Exists",
    "Film",
    "Frame",
    "GitBranch",
    "GitClean",
    "GitFile",
    "GitLacks",
    "GitLog",
    "GitMerged",
    "GitNotForced",
    "GitPushed",
    "GitRemoteBranch",
    "GitRemoteFile",
    "GitRemoteLog",
    "GitRemoteMerged",
    "Hash",
    "HttpNotReceived",
    "HttpReceived",
    "JsonEquals",
    "JsonLines",
    "Kind",
    "MailNotSent",
    "MailSent",
    "NeverSaid",
    "Patch",
    "Picture",
    "Processes",
    "Said",
    "ScheduleFired",
    "ScheduleRegistered",
    "Sound",
    "Spoken",
    "Sqlite",
    "Text",
    "TextMatch",
    "Tone",
    "TouchedOnly",
    "Tree",
    "Unchanged",
]
