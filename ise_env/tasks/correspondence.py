"""People, their mail and their chatter, for kits about communication; steps that read and send.

Everybody belongs to the kit's folder: their addresses are at `<folder>.example`.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any

from ise_env.services.spec import (
    CHAT_HOST,
    EPOCH,
    MAIL_HOST,
    USER_ADDRESS,
    ChatMessage,
    Mail,
    Person,
)
from ise_env.tasks.draw import Draw
from ise_env.tasks.kit import ToolCall
from ise_env.tasks.steps import sh

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


@cache
def _words() -> dict[str, Any]:
    text = resources.files("ise_env.tasks").joinpath("correspondence.toml").read_text("utf-8")
    return tomllib.loads(text)


def people(d: Draw, folder: str, count: int) -> tuple[Person, ...]:
    """That many people of one organisation, no two sharing a first or a last name."""
    return tuple(person(d, name, folder) for name in d.people(count))


def person(d: Draw, name: str, folder: str, at: str = "", **more: Any) -> Person:
    """Somebody of that name, at the folder's domain or one below it."""
    local = ".".join(re.sub(r"[^a-z]", "", part) for part in name.lower().split())
    domain = f"{at}.{folder}.example" if at else f"{folder}.example"
    phone = f"+44 20 7946 {d.integer(1000, 9999)}"
    details = {"title": d.pick(_words()["titles"]), "phone": phone, **more}
    return Person(name=name, address=f"{local}@{domain}", **details)


def talk(d: Draw, senders: Sequence[str], count: int) -> list[ChatMessage]:
    """A channel's chatter, some minutes apart."""
    when, said = EPOCH - timedelta(days=3), []
    for _ in range(count):
        text = _filled(d, d.pick(_words()["chatter"]))
        when += timedelta(minutes=d.integer(2, 55))
        said.append(ChatMessage(sender=d.pick(senders), text=text, when=when))
    return said


def noise(d: Draw, senders: Sequence[Person], count: int) -> tuple[Mail, ...]:
    """Mail that has nothing to do with the task, over the last weeks."""
    found = []
    for subject, body in d.some(_words()["mails"], count):
        when = EPOCH - timedelta(minutes=d.integer(60, 60 * 24 * 40))
        sender = d.pick(senders)
        text = _filled(d, f"{subject}\0{body}")
        subject, _, body = text.partition("\0")
        signed = f"{body}\n{sender.name.split()[0]}\n"
        found.append(
            Mail(
                sender=sender.address,
                subject=subject,
                body=signed,
                when=when,
                seen=d.chance(0.8),
            )
        )
    return tuple(found)


def _filled(d: Draw, text: str) -> str:
    return text.format(
        topic=d.word("topics"),
        project=d.word("projects"),
        town=d.word("towns"),
        day=d.pick(DAYS),
        n=d.integer(2, 9),
    )


# --- steps --------------------------------------------------------------------------------------

_SHOW = """python3 - {pattern} <<'PY'
import email, email.policy, glob, os, re, sys
for path in sorted(glob.glob(os.path.expanduser("~/Maildir/*/*")), key=os.path.basename):
    mail = email.message_from_binary_file(open(path, "rb"), policy=email.policy.default)
    names = ("From", "To", "Date", "Subject", "Message-ID", "In-Reply-To")
    head = "\\n".join(f"{{name}}: {{mail[name]}}" for name in names if mail[name])
    body = mail.get_body(("plain",)).get_content()
    if re.search(sys.argv[1], head + "\\n" + body, re.I | re.M):
        names = [part.get_filename() for part in mail.iter_attachments()]
        print(path, head, "Attachments: " + ", ".join(names), "", body, "-----", sep="\\n")
PY"""

_SEND = """python3 - <<'PY'
import json, mimetypes, pathlib, smtplib
from email.message import EmailMessage
letter = json.loads({letter!r})
mail = EmailMessage()
mail["From"], mail["To"], mail["Subject"] = {user!r}, ", ".join(letter["to"]), letter["subject"]
if letter["cc"]:
    mail["Cc"] = ", ".join(letter["cc"])
if letter["reply_to"]:
    mail["In-Reply-To"] = mail["References"] = "<" + letter["reply_to"] + ">"
mail.set_content(letter["body"] + "\\n")
for path in map(pathlib.Path, letter["attach"]):
    kind = (mimetypes.guess_type(path.name)[0] or "application/octet-stream").split("/")
    mail.add_attachment(path.read_bytes(), maintype=kind[0], subtype=kind[1], filename=path.name)
with smtplib.SMTP({host!r}, 25) as server:
    try:
        refused = server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
for address, (code, said) in refused.items():
    print("REFUSED", address, code, said.decode())
print("sent to", ", ".join(a for a in letter["to"] + letter["cc"] if a not in refused) or "nobody")
PY"""


def mails(pattern: str) -> ToolCall:
    """Show the user's mails whose headers or text match, decoded, oldest first."""
    return sh(_SHOW.format(pattern=shlex.quote(pattern)))


def contact(pattern: str) -> ToolCall:
    """Show the cards of the address book that match."""
    script = f'BEGIN {{ RS = "END:VCARD" }} tolower($0) ~ /{pattern.lower()}/ {{ print $0 RS }}'
    return sh(f"awk {shlex.quote(script)} ~/contacts.vcf | tr -d '\\r'")


def send(
    to: Iterable[str],
    subject: str,
    body: str,
    *,
    cc: Sequence[str] = (),
    attach: Sequence[str] = (),
    reply_to: str = "",
) -> ToolCall:
    """Send a mail; what it prints says who was refused."""
    letter = {
        "to": list(to),
        "cc": list(cc),
        "subject": subject,
        "body": body,
        "attach": list(attach),
        "reply_to": reply_to,
    }
    return sh(_SEND.format(letter=json.dumps(letter), user=USER_ADDRESS, host=MAIL_HOST))


def asked(path: str) -> ToolCall:
    """GET something of the chat room's API."""
    return sh(f"curl -s {shlex.quote(f'http://{CHAT_HOST}/api/{path}')}")


def post(place: str, text: str) -> ToolCall:
    """Say something in the chat room: `channels/<name>` or `users/<name>`."""
    body = shlex.quote(json.dumps({"text": text}))
    return sh(f"curl -s -d {body} http://{CHAT_HOST}/api/{place}/messages")
