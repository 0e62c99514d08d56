"""What happens after a mail was accepted: it reaches the user's inbox, or somebody answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta

from ise_env.errors import IseError
from ise_env.services import inbox, maildir
from ise_env.services.spec import EPOCH, USER_ADDRESS, MailSeed, Person
from ise_env.workspaces.protocol import Workspace

MOST_READ = 1 << 20
"""Bytes of a mail that somebody who answers reads."""


class Postman:
    """Brings mail into the workspace.

    Args:
        seed: With the answers.
        people: By address.
        workspace: Whose `~/Maildir` it is.
    """

    def __init__(self, seed: MailSeed, people: Mapping[str, Person], workspace: Workspace) -> None:
        self._people, self._workspace = people, workspace
        self._replies = list(seed.replies)
        self._number = len(seed.messages)
        self._now = max([EPOCH, *(mail.when for mail in seed.messages)])

    async def arrived(self, sender: str, recipients: tuple[str, ...], content: bytes) -> None:
        """Deliver a mail to the user, and let those answer who have something to say."""
        mails = [_stamped(content)] if USER_ADDRESS in recipients else []
        if any(reply.person.lower() in recipients for reply in self._replies):
            mails += await asyncio.to_thread(self._answers, sender, recipients, content)
        for mail in mails:
            self._number += 1
            self._now += timedelta(minutes=3)
            file = inbox.arrival(self._number, mail, int(self._now.timestamp()))
            with contextlib.suppress(IseError, OSError):  # the agent may have broken its inbox
                await asyncio.to_thread(self._workspace.populate, [file])

    def _answers(self, sender: str, recipients: tuple[str, ...], content: bytes) -> list[bytes]:
        mail = maildir.read(sender, recipients, content[:MOST_READ])
        text = f"{mail.subject}\n{mail.body}".lower()
        found = []
        for reply in list(self._replies):
            wanted = all(part.lower() in text for part in reply.contains)
            if reply.person.lower() in recipients and wanted:
                self._replies.remove(reply)
                answer = reply.answer.model_copy(
                    update={"seen": False, "when": self._now + timedelta(minutes=3)}
                )
                found.append(inbox.rendered(answer, self._people))
        return found


def _stamped(content: bytes) -> bytes:
    """A mail as it is delivered, with the first line that a server adds."""
    return f"Delivered-To: {USER_ADDRESS}\n".encode() + content.replace(b"\r\n", b"\n")
