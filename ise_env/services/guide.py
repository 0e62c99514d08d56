"""`TOOLS.md`: how each service of an episode is reached from inside."""

from __future__ import annotations

from ise_env.services import supervisor
from ise_env.services.plan import Plan
from ise_env.services.spec import (
    CHAT_HOST,
    CRON_HOST,
    GIT_HOST,
    MAIL_HOST,
    USER_ADDRESS,
    USER_NAME,
)
from ise_env.workspaces.protocol import WORKDIR, SeedFile

PATH = f"{WORKDIR}/TOOLS.md"

MAIL = f"""
## Mail
- Address of the user: {USER_ADDRESS}. Mail is sent on their behalf, from this address only.
- Inbox: ~/Maildir (read mail in cur, unread mail in new). One file is one mail, as in RFC 5322.
- Sending: SMTP to {MAIL_HOST}, port 25, no login, no TLS.
- Address book: ~/contacts.vcf (vCard).
"""

CHAT = f"""
## Chat
http://{CHAT_HOST}, JSON, no login; the user is called {USER_NAME}.
- GET /api/channels, GET /api/users
- GET /api/channels/NAME/messages?limit=50&before=ID (newest last)
- POST /api/channels/NAME/messages with {{"text": "..."}}
- GET and POST /api/users/NAME/messages, the same for direct messages
"""

GIT = f"""
## Git
Remotes are at http://{GIT_HOST}/FOLDER/NAME.git; cloning, fetching and pushing need no login.
- GET /api/FOLDER/NAME: default branch, protected and closed branches
- GET /api/FOLDER/NAME/commits/SHA/status: what the tests of a pushed commit came to
Here are:
"""

SCHEDULE = f"""
## Scheduler
The command `crontab` (-l, FILE, -) shows and replaces the table. Jobs run in this workspace
as the user, starting in the home folder. Behind it is http://{CRON_HOST}:
- GET /crontab: the table, in the format of crontab(5) without a user column
- PUT /crontab: replace the whole table with the text that is sent
- GET /now: the scheduler's clock (UTC)
"""

SUPERVISOR = f"""
## Supervisor
`supervisord` (Supervisor {supervisor.version()}) is running; `supervisorctl` (status, start, stop,
restart, reread, update, tail, ...) speaks with it. Its settings are {supervisor.CONFIG}; programs
are read from:
"""


def guide(plan: Plan) -> SeedFile:
    """The file, with a section for each service that there is."""
    parts = ["# Tools\nServices that this workspace reaches, and how.\n"]
    parts += [text for wanted, text in ((plan.mail, MAIL), (plan.chat, CHAT)) if wanted]
    if plan.repositories:
        names = [f"- http://{GIT_HOST}/{r.name}.git\n" for r in plan.repositories]
        parts.append(GIT + "".join(sorted(names)))
    if plan.schedule:
        parts.append(SCHEDULE)
    if plan.supervised:
        folders = sorted(f"- {seed.programs}/*.ini\n" for seed in plan.supervised)
        parts.append(SUPERVISOR + "".join(folders))
    if plan.sites:
        sites = sorted(f"- http://{site.host}/\n" for site in plan.sites)
        parts.append("\n## Web\nSites that answer:\n" + "".join(sites))
    return SeedFile(PATH, "".join(parts).encode())
