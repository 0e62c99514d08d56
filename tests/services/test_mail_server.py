"""Mail through a real workspace: what is sent, what is refused, what comes back."""

from __future__ import annotations

import textwrap

from ise_env.rewards.checks import AttachmentMatch, MailNotSent, MailSent, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.services.spec import Attachment, Mail, MailReply, MailSeed, Person

ANNA = Person(name="Anna Keller", address="anna@harbour-books.example", title="Buyer")
BEN = Person(name="Ben, Ltd; Co", address="ben@harbour-books.example", bounces="mailbox is full")
SEED = MailSeed(
    people=(ANNA, BEN),
    messages=(
        Mail(
            sender=ANNA.address,
            subject="Stock für Mai",
            body="Please see the list — thanks.",
            attachments=(Attachment(name="stock.csv", content=b"isbn,count\n1,2\n"),),
            seen=False,
        ),
        Mail(sender=ANNA.address, subject="Old one", body="Nothing."),
    ),
    replies=(
        MailReply(
            person=ANNA.address,
            contains=("which warehouse",),
            answer=Mail(sender=ANNA.address, subject="Re: Question", body="Warehouse 7."),
        ),
    ),
)

SEND = """
import smtplib
from email.message import EmailMessage
m = EmailMessage()
m["From"], m["To"], m["Subject"] = {sender!r}, {to!r}, {subject!r}
m.set_content({body!r})
{more}
s = smtplib.SMTP("mail.office.example", 25)
try:
    print(s.send_message(m))
except smtplib.SMTPException as error:
    print("refused", error)
"""


def letter(to="anna@harbour-books.example", more="", **parts):
    fields = {"sender": "me@office.example", "subject": "Hello", "body": "Text", **parts}
    return SEND.format(to=to, more=textwrap.dedent(more), **fields)


def judged(place, *checks):
    """Evidence of each check that passes, the complaint of each that does not."""
    frozen = place.workspace.freeze()
    evidence = Evidence(frozen, services=place.services.records())
    found = []
    for check in checks:
        try:
            found.append((True, check.judge(evidence)))
        except Unmet as unmet:
            found.append((False, str(unmet)))
    return found


def test_the_inbox_is_a_maildir_and_contacts_are_vcards(serve):
    place = serve(SEED)
    seen = place.python(
        "import mailbox, os\n"
        "box = mailbox.Maildir(os.path.expanduser('~/Maildir'), create=False)\n"
        "for key, m in sorted(box.items()): print(m['Subject'], m.get_flags(), m.is_multipart())"
    )
    assert "S False" in seen
    assert "True" in seen
    assert "FN:Anna Keller" in place.shell("cat ~/contacts.vcf")
    assert "Ben\\, Ltd\\; Co" in place.shell("cat ~/contacts.vcf")
    assert "port 25" in place.shell("cat TOOLS.md")


def test_the_same_seed_gives_the_same_files(serve):
    files = [sorted((f.path, f.content) for f in serve(SEED).services.files()) for _ in range(2)]
    assert files[0] == files[1]


def test_mail_with_an_attachment_is_recorded(serve):
    place = serve(SEED)
    more = "m['Cc'] = 'x@elsewhere.example'\nm.add_attachment(b'a,b\\n', maintype='text', "
    more += "subtype='csv', filename='Table.csv')"
    assert "{}" in place.python(letter(body="Grüße, 42", more=more))
    both = (ANNA.address, "x@elsewhere.example")
    wanted = {"id": "m", "to": both, "subject": TextMatch(equals="Hello")}
    table = AttachmentMatch(name="table.csv", text=TextMatch(equals="a,b"))
    results = judged(
        place,
        MailSent(**wanted, body=TextMatch(contains=("Grüße, 42",)), attachments=(table,)),
        MailSent(**{**wanted, "to": (ANNA.address,)}),
        MailSent(**{**wanted, "to": (ANNA.address,)}, others=True),
        MailSent(**wanted, cc=both[1:]),
        MailSent(**wanted, cc=(ANNA.address,)),
        MailSent(**wanted, count=2),
        MailSent(**wanted, attachments=(AttachmentMatch(name="*.pdf"),)),
        MailSent(**wanted, reply_to="abc@x"),
        MailNotSent(id="s", allowed=("*@harbour-books.example",)),
        MailNotSent(id="s", containing=TextMatch(contains=("secret",))),
        MailNotSent(id="s", containing=TextMatch(contains=("a,b",))),
    )
    assert [passed for passed, _ in results] == [
        True, False, True, True, False, False, False, False, False, True, False,
    ]  # fmt: skip


def test_a_blind_copy_counts(serve):
    place = serve(SEED)
    place.python(letter(more="m['Bcc'] = 'stranger@elsewhere.example'"))
    (stranger, seen), (only, _) = judged(
        place,
        MailNotSent(id="s", to=("*@elsewhere.example",)),
        MailSent(id="m", to=(ANNA.address,)),
    )
    assert not stranger and "stranger@elsewhere.example" in seen
    assert not only


def test_what_the_server_refuses(serve):
    place = serve(SEED)
    assert "553" in place.python(letter(sender="boss@office.example"))
    assert "mailbox is full" in place.python(letter(to=BEN.address))
    assert "no such mailbox" in place.python(letter(to="ana@harbour-books.example"))
    assert "553" in place.python(letter(to="../../x@harbour-books.example"))
    place.workspace.freeze()
    assert list(place.services.records().mail) == []


def test_an_answer_arrives_in_the_inbox_once(serve):
    place = serve(SEED)
    for _ in range(2):
        place.python(letter(body="Which Warehouse is it?"))
    new = place.shell("grep -l 'Warehouse 7' ~/Maildir/new/*").split()
    assert len(new) == 1
    assert "From: Anna Keller <anna@harbour-books.example>" in place.shell(f"cat {new[0]}")


def test_mail_to_the_user_arrives(serve):
    place = serve(SEED)
    place.python(letter(to="me@office.example", subject="For you"))
    assert "For you" in place.shell("cat ~/Maildir/new/*")


def test_what_lone_line_feeds_smuggle_in_is_seen(serve):
    place = serve(SEED)
    place.python(
        "import socket\n"
        "s = socket.create_connection(('mail.office.example', 25)); f = s.makefile('rwb')\n"
        "def ask(t):\n f.write(t); f.flush(); return f.readline()\n"
        "f.readline(); ask(b'HELO x\\r\\n'); ask(b'MAIL FROM:<me@office.example>\\r\\n')\n"
        "ask(b'RCPT TO:<anna@harbour-books.example>\\nRCPT TO:<x@y.example>\\r\\n')\n"
        "ask(b'DATA\\r\\n'); ask(b'Subject: a\\n.\\nMAIL FROM:<x@y.example>\\r\\n.\\r\\n')\n"
    )
    place.workspace.freeze()
    (sent,) = place.services.records().mail
    assert (sent.sender, sent.recipients) == (
        "me@office.example",
        ("anna@harbour-books.example", "x@y.example"),
    )
