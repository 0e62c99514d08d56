"""What a person sees who glances at their inbox: that mail has come, from whom, about what.

Reads the user's own Maildir inside the workspace, as their mail program would. What lay there
before the dialogue began is no news; what the agent deletes is gone.
"""

from __future__ import annotations

from email import message_from_bytes, policy

from ise_env.workspaces.protocol import HOME, Workspace

MAILDIR = f"{HOME}/Maildir"
_SHOWN = 4
_LONGEST = 256 * 1024


class Inbox:
    """One user's inbox, looked at once a turn.

    Args:
        workspace: Where it lies, if there is one.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known = set(self._mails())

    def news(self) -> tuple[str, ...]:
        """A line for each mail that has come since the last call, at most four."""
        mails = self._mails()
        new = [key for key in mails if key not in self._known]
        self._known |= mails.keys()
        lines = [self._line(mails[key]) for key in sorted(new)[:_SHOWN]]
        return tuple(line for line in lines if line)

    def _mails(self) -> dict[str, str]:
        """Path by what stays the same when a mail is read and moves to `cur`."""
        found: dict[str, str] = {}
        for folder in ("new", "cur"):
            try:
                names = self._workspace.listdir(f"{MAILDIR}/{folder}")
            except OSError:
                continue
            found |= {name.partition(":")[0]: f"{MAILDIR}/{folder}/{name}" for name in names}
        return found

    def _line(self, path: str) -> str:
        try:
            raw = self._workspace.read(path, max_bytes=_LONGEST)
        except OSError:
            return ""
        mail = message_from_bytes(raw, policy=policy.default)
        sender, subject = (" ".join(str(mail[key] or "").split()) for key in ("From", "Subject"))
        return f"{sender[:80] or 'nobody'}: {subject[:120] or '(no subject)'}"
