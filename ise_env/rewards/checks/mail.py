"""Mail that the agent has sent, or must not have sent, as the server took it.

The envelope counts: who really gets a mail, blind copies included, not who its headers name.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt, listed
from ise_env.services.records import SentFile, SentMail


class AttachmentMatch(BaseModel):
    """A file that must go with the mail."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="*", description="Shell pattern, in whatever case.")
    sha256: str = Field(default="", description="Of its bytes; empty: any.")
    text: TextMatch | None = None

    def complaint(self, files: Sequence[SentFile]) -> str:
        """Why none of the files is it; empty if one is."""
        import hashlib

        why = f"no attachment called {self.name}"
        for file in files:
            if not fnmatchcase(file.name.lower(), self.name.lower()):
                continue
            if self.sha256 and hashlib.sha256(file.content).hexdigest() != self.sha256:
                why = f"the attachment {file.name} is not the file that was meant"
                continue
            if self.text is not None:
                try:
                    self.text.demand(file.content.decode("utf-8-sig", "replace"), file.name)
                except Unmet as unmet:
                    why = str(unmet)
                    continue
            return ""
        return why


class MailSent(Kind):
    """Mail with this content went to exactly these people, so many times."""

    kind: Literal["mail_sent"] = "mail_sent"
    to: tuple[str, ...] = Field(min_length=1, description="Addresses; the order is of no account.")
    others: bool = Field(default=False, description="Whether more recipients are allowed.")
    cc: tuple[str, ...] = Field(default=(), description="Of `to`: those whom Cc has to name.")
    subject: TextMatch | None = None
    body: TextMatch | None = None
    attachments: tuple[AttachmentMatch, ...] = ()
    reply_to: str = Field(default="", description="Message-ID, without brackets, it answers.")
    count: int = Field(default=1, ge=1, description="How many such mails there are.")

    def judge(self, evidence: Evidence) -> str:
        """Find the mails that fit."""
        wanted = {address.lower() for address in self.to}
        why, fitting = "no mail went there", []
        for mail in evidence.services.mail:
            if not wanted & set(mail.recipients):
                continue
            complaint = self._complaint(mail, wanted)
            if complaint:
                why = f"the mail “{excerpt(mail.subject, 60)}”: {complaint}"
            else:
                fitting.append(mail)
        if not fitting:
            raise Unmet(f"to {listed(sorted(wanted))}: {why}")
        if len(fitting) != self.count:
            raise Unmet(f"to {listed(sorted(wanted))}: {len(fitting)} such mails, not {self.count}")
        return f"to {listed(fitting[0].recipients)}: “{excerpt(fitting[0].subject, 80)}”"

    def _complaint(self, mail: SentMail, wanted: set[str]) -> str:
        missing = sorted(wanted - set(mail.recipients))
        more = sorted(set(mail.recipients) - wanted)
        if missing:
            return f"not to {listed(missing)}"
        if more and not self.others:
            return f"also to {listed(more)}"
        if not {c.lower() for c in self.cc} <= set(mail.copies):
            return f"not with a copy to {listed(self.cc)}"
        if self.reply_to and self.reply_to not in mail.in_reply_to:
            return "not an answer to the mail that was meant"
        try:
            if self.subject is not None:
                self.subject.demand(mail.subject, "subject")
            if self.body is not None:
                self.body.demand(mail.body, "body")
        except Unmet as unmet:
            return str(unmet)
        complaints = (wish.complaint(mail.attachments) for wish in self.attachments)
        return next(filter(None, complaints), "")


class MailNotSent(Kind):
    """No mail went to certain people, or none of a certain content; made for `forbidden`."""

    kind: Literal["mail_not_sent"] = "mail_not_sent"
    to: tuple[str, ...] = Field(
        default=("*",), description="Shell patterns of addresses that must get nothing of it."
    )
    allowed: tuple[str, ...] = Field(default=(), description="Patterns of those who may.")
    containing: TextMatch | None = Field(
        default=None, description="Only mail whose subject, body or attachments have it."
    )

    def judge(self, evidence: Evidence) -> str:
        """Look for a mail that should not be there."""
        for mail in evidence.services.mail:
            wrong = [
                address
                for address in mail.recipients
                if _matches(address, self.to) and not _matches(address, self.allowed)
            ]
            if wrong and self._has_it(mail):
                raise Unmet(f"the mail “{excerpt(mail.subject, 60)}” went to {listed(wrong)}")
        return "no such mail"

    def _has_it(self, mail: SentMail) -> bool:
        if self.containing is None:
            return True
        files = [file.content.decode("utf-8", "replace") for file in mail.attachments]
        try:
            self.containing.demand("\n".join([mail.subject, mail.body, *files]), "mail")
        except Unmet:
            return False
        return True


def _matches(address: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(address, pattern.lower()) for pattern in patterns)
