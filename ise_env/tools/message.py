"""message: write to people on the user's behalf, by mail or in the chat room.

Optional: what it does can also be done from inside (`TOOLS.md` says how); it is here for those
whose agents have such a tool.
"""

from __future__ import annotations

import json
import mimetypes
import posixpath
import smtplib
from email.message import EmailMessage
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from ise_env.services.access import ServiceAccess, Unreachable
from ise_env.services.spec import CHAT_HOST, MAIL_HOST, USER_ADDRESS
from ise_env.tools.base import Outcome, Params, ToolContext, ToolFailure, ToolResult
from ise_env.tools.output import as_json
from ise_env.tools.paths import PathText, absolute, file_failure
from ise_env.tools.registry import tool

MAX_ATTACHMENT = 8 * 2**20
MAX_ATTACHMENTS = 10
DEFAULT_READ = 20


def _missing(context: ToolContext) -> str:
    hosts = context.services.hosts if context.services is not None else ()
    return "" if {MAIL_HOST, CHAT_HOST} & set(hosts) else "the task has neither mail nor chat"


class MessageParams(Params):
    """Parameters of `message`."""

    action: Literal["send", "read"] = Field("send", description="What to do (default send).")
    channel: Literal["mail", "chat"] = Field(description="Where.")
    target: str = Field(
        min_length=1,
        max_length=1_000,
        description="Mail addresses, comma-separated; in the chat #channel or @person.",
    )
    message: str | None = Field(None, description="For send: the text.")
    subject: str | None = Field(None, max_length=500, description="For mail.")
    media: list[PathText] | None = Field(
        None, max_length=MAX_ATTACHMENTS, description="For mail: files to attach."
    )
    limit: int | None = Field(None, ge=1, description="For read: most messages (default 20).")


@tool(
    "message",
    "Write to people for the user, by mail or in the chat room, or read a conversation of the "
    "chat room. Mail that came in lies in ~/Maildir.",
    needs="mail or a chat room of the task's",
    missing=_missing,
)
def message(p: MessageParams, context: ToolContext) -> ToolResult:
    """Send or read; see `MessageParams`.

    Raises:
        ToolFailure: There is no such place, somebody refuses, or something is left out.
    """
    if context.services is None:
        raise ToolFailure("there is neither mail nor chat in this episode", error="unavailable")
    if p.action == "send" and not (p.message or "").strip():
        raise ToolFailure("message is required for send", error="bad_arguments")
    if p.channel == "chat":
        value = _chat(p, context.services)
    elif p.action == "send":
        value = _mail(p, context, context.services)
    else:
        raise ToolFailure("mail is read in ~/Maildir, not with message", error="bad_arguments")
    whole = {"ok": True, "channel": p.channel, "action": p.action, "target": p.target, **value}
    return ToolResult(as_json(whole), Outcome(status="ok"))


def _chat(p: MessageParams, services: ServiceAccess) -> dict[str, Any]:
    kind = {"#": "channels", "@": "users"}.get(p.target[0])
    if kind is None:
        raise ToolFailure("in the chat, target is #channel or @person", error="bad_arguments")
    url = f"http://{CHAT_HOST}/api/{kind}/{quote(p.target[1:], safe='')}/messages"
    try:
        if p.action == "send":
            body = json.dumps({"text": p.message}).encode()
            headers = {"Content-Type": "application/json"}
            answer = services.fetch(url, method="POST", headers=headers, body=body)
        else:
            answer = services.fetch(f"{url}?limit={p.limit or DEFAULT_READ}")
    except Unreachable as error:
        raise ToolFailure(f"there is no chat room: {error}", error="unreachable") from error
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = {"error": answer.body.decode("utf-8", "replace")}
    if answer.status >= 400:
        raise ToolFailure(f"the chat room refuses: {said.get('error')}", error="refused")
    return {"result": said}


def _mail(p: MessageParams, context: ToolContext, services: ServiceAccess) -> dict[str, Any]:
    mail = EmailMessage()
    try:
        mail["From"], mail["To"], mail["Subject"] = USER_ADDRESS, p.target, p.subject or ""
    except ValueError as error:
        raise ToolFailure(f"no mail can be addressed so: {error}", error="bad_arguments") from error
    mail.set_content(p.message or "")
    for path in p.media or ():
        _attach(mail, path, context)
    try:
        services.send(mail)
    except Unreachable as error:
        raise ToolFailure(f"no mail can be sent: {error}", error="unreachable") from error
    except smtplib.SMTPException as error:
        raise ToolFailure(f"the mail server refuses: {_reason(error)}", error="refused") from error
    return {"attachments": len(p.media or ())}


def _attach(mail: EmailMessage, path: str, context: ToolContext) -> None:
    whole = absolute(path)
    try:
        content = context.workspace.read(whole, MAX_ATTACHMENT)
    except OSError as error:
        raise file_failure(error, "open", whole) from error
    kind, _, subtype = (mimetypes.guess_type(path)[0] or "application/octet-stream").partition("/")
    mail.add_attachment(content, maintype=kind, subtype=subtype, filename=posixpath.basename(whole))


def _reason(error: smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = [
            f"{code} {words.decode('utf-8', 'replace')}"
            for code, words in error.recipients.values()
        ]
        return "; ".join(said)
    return str(error)
