"""The host's mailboxes: every accepted mail, as it came, in a Maildir for each recipient.

The folder is beyond the agent's reach. Layout of a Maildir after
https://cr.yp.to/proto/maildir.html, readable by any mail program.
"""

from __future__ import annotations

import email
import email.policy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path

from ise_env.services.records import SentFile, SentMail


@dataclass(frozen=True)
class Accepted:
    """A mail in the mailboxes."""

    sender: str
    recipients: tuple[str, ...]
    path: Path


class Mailboxes:
    """Everything that was sent in one episode.

    Args:
        folder: Of their own; made when the first mail comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._accepted: list[Accepted] = []
        self.size = 0

    def __len__(self) -> int:
        return len(self._accepted)

    def deliver(self, sender: str, recipients: Sequence[str], content: bytes) -> None:
        """Put a mail into everybody's box; the addresses are known to be fit for file names."""
        name = f"{len(self._accepted) + 1:06d}.office"
        places = [self._box(address) / "new" / name for address in recipients]
        places[0].write_bytes(content)
        for place in places[1:]:
            os.link(places[0], place)
        self._accepted.append(Accepted(sender, tuple(recipients), places[0]))
        self.size += len(content)

    def _box(self, address: str) -> Path:
        box = self._folder / address
        for part in ("new", "cur", "tmp"):
            (box / part).mkdir(parents=True, exist_ok=True)
        return box

    def sent(self) -> list[SentMail]:
        """Read every mail, in order of arrival."""
        return [
            read(item.sender, item.recipients, item.path.read_bytes()) for item in self._accepted
        ]


def read(sender: str, recipients: tuple[str, ...], raw: bytes) -> SentMail:
    """Take a mail apart; one that defies the parser is its raw text."""
    try:
        return _parsed(sender, recipients, raw)
    except Exception:  # noqa: BLE001 - hostile mail finds bugs in `email`; it is still a mail
        return SentMail(sender, recipients, "", raw.decode("utf-8", "replace"), raw=raw)


def _parsed(sender: str, recipients: tuple[str, ...], raw: bytes) -> SentMail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    texts, files = [], []
    for part in message.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        name = part.get_filename()
        if name or part.get_content_disposition() == "attachment":
            files.append(SentFile(str(name or ""), data))
        elif part.get_content_maintype() == "text":
            texts.append(data.decode(_charset(part), "replace"))
    answers = f"{message.get('In-Reply-To', '')} {message.get('References', '')}"
    return SentMail(
        sender=sender,
        recipients=recipients,
        subject=" ".join(str(message.get("Subject", "")).split()),
        body="\n".join(texts),
        attachments=tuple(files),
        in_reply_to=tuple(part.strip("<>,") for part in answers.split()),
        header_sender=(*_addresses(message, "From"), "")[0],
        copies=_addresses(message, "Cc"),
        raw=raw,
    )


def _addresses(message: EmailMessage, *headers: str) -> tuple[str, ...]:
    values = [str(value) for name in headers for value in message.get_all(name, [])]
    return tuple(address.lower() for _, address in getaddresses(values) if address)


def _charset(part: EmailMessage) -> str:
    name = part.get_content_charset() or "utf-8"
    try:
        b"".decode(name)
    except LookupError:
        return "utf-8"
    return name
