"""What the user's mail looks like inside: `~/Maildir` and `~/contacts.vcf`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from ise_env.services.spec import MAIL_HOST, USER_ADDRESS, Mail, Person
from ise_env.workspaces.protocol import HOME, SeedFile

MAILDIR = f"{HOME}/Maildir"
CONTACTS = f"{HOME}/contacts.vcf"


def message_id(mail: Mail) -> str:
    """Message-ID of a mail, without brackets."""
    if mail.id:
        return mail.id
    text = f"{mail.sender}\n{mail.to}\n{mail.subject}\n{mail.when.isoformat()}\n{mail.body}"
    return f"{hashlib.sha256(text.encode()).hexdigest()[:20]}@{mail.sender.partition('@')[2]}"


def rendered(mail: Mail, people: Mapping[str, Person]) -> bytes:
    """A mail as it lies in a Maildir."""
    head = _headers(mail, people)
    body = mail.body if mail.body.endswith("\n") else f"{mail.body}\n"
    if not mail.attachments:  # written out, because `EmailMessage` takes a millisecond
        head |= {
            "Content-Type": 'text/plain; charset="utf-8"',
            "Content-Transfer-Encoding": "8bit",
            "MIME-Version": "1.0",
        }
        return "".join(f"{k}: {v}\n" for k, v in head.items()).encode() + f"\n{body}".encode()
    message = EmailMessage()
    for name, value in head.items():
        message[name] = value
    message.set_content(body, cte="8bit")
    for number, file in enumerate(mail.attachments):
        main, _, sub = file.media_type.partition("/")
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
        _pin_boundary(message, f"{message_id(mail)}-{number}")
    return message.as_bytes()


def _headers(mail: Mail, people: Mapping[str, Person]) -> dict[str, str]:
    def full(addresses: Iterable[str]) -> str:
        names = ((people[a].name if a in people else "", a) for a in addresses)
        return ", ".join(map(formataddr, names))

    head = {"From": full([mail.sender]), "To": full(mail.to)}
    if mail.cc:
        head["Cc"] = full(mail.cc)
    subject = mail.subject if mail.subject.isascii() else Header(mail.subject, "utf-8").encode()
    head |= {
        "Subject": subject,
        "Date": format_datetime(mail.when),
        "Message-ID": f"<{message_id(mail)}>",
    }
    if mail.in_reply_to:
        head |= dict.fromkeys(("In-Reply-To", "References"), f"<{mail.in_reply_to}>")
    return head | {"Delivered-To": USER_ADDRESS}


def _pin_boundary(message: EmailMessage, text: str) -> None:
    """Same mail, same bytes: the boundary that `email` draws at random is derived instead."""
    message.set_boundary(f"=-{hashlib.sha256(text.encode()).hexdigest()[:24]}")


def mail_file(number: int, mail: Mail, people: Mapping[str, Person]) -> SeedFile:
    """A mail's file in `~/Maildir`."""
    moment = int(mail.when.timestamp())
    name = f"{moment}.{number:06d}.{MAIL_HOST}"
    place = f"cur/{name}:2,S" if mail.seen else f"new/{name}"
    return SeedFile(f"{MAILDIR}/{place}", rendered(mail, people), 0o600, moment)


def arrival(number: int, content: bytes, moment: int) -> SeedFile:
    """The file of a mail that comes in during the episode."""
    return SeedFile(f"{MAILDIR}/new/{moment}.{number:06d}.{MAIL_HOST}", content, 0o600, moment)


def contacts(people: Iterable[Person]) -> bytes:
    """An address book in vCard 4.0 (RFC 6350)."""
    cards = []
    for person in sorted(people, key=lambda p: (p.name, p.address)):
        if not person.listed:
            continue
        lines = ["BEGIN:VCARD", "VERSION:4.0", f"FN:{_escaped(person.name)}"]
        lines += [
            f"{key}:{_escaped(value)}"
            for key, value in (
                ("ORG", person.organisation),
                ("TITLE", person.title),
                ("EMAIL", person.address),
                ("TEL", person.phone),
                ("NICKNAME", person.nick),
                ("NOTE", person.note),
            )
            if value
        ]
        cards.append("\r\n".join([*lines, "END:VCARD", ""]))
    return "".join(cards).encode()


def _escaped(text: str) -> str:
    for plain in "\\,;":
        text = text.replace(plain, f"\\{plain}")
    return text.replace("\n", "\\n")
