"""Accounts of a host to hold against a policy, and a corrected list for review."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

POLICY = """\
# Accounts of this host

`passwd` has one account a line (`name:x:uid:gid:comment:home:shell`), `logins.csv` every login we
know of, `leavers.csv` the people who have left, `exceptions.txt` accounts that are looked after
elsewhere and never reported. A shell ending in `nologin` or `false` means that nobody can log in.

Reasons, of which the first that holds is the one to report:

1. `second-root`: uid 0, and the name is not `root`.
2. `shared-uid`: another account has the same uid, and that is not 0.
3. `left`: somebody in `leavers.csv` who can still log in.
4. `idle`: can log in, uid 1000 or higher, no login in the {idle} days before {day}, or none at all.

The file `passwd` itself is in use and only {person} replaces it.
"""
PROGRAM = """\
import csv, datetime as d, re
rules = open("POLICY.md").read()
idle, day = re.search(r"in the (\\d+) days before (\\S+),", rules).groups()
since = d.date.fromisoformat(day) - d.timedelta(int(idle))
rows = [line.strip().split(":") for line in open("passwd") if line.strip()]
spared = set({spared})
gone = {{row["account"] for row in csv.DictReader(open("leavers.csv"))}}
last = {{}}
for row in csv.DictReader(open("logins.csv")):
    when = d.date.fromisoformat(row["day"])
    last[row["account"]] = max(last.get(row["account"], when), when)
uids = [row[2] for row in rows]
with open("findings.csv", "w") as out:
    print("account,reason", file=out)
    for name, _, uid, *_, shell in rows:
        alive = not shell.endswith(("nologin", "false"))
        if name in spared:
            continue
        if uid == "0" and name != "root":
            reason = "second-root"
        elif uid != "0" and uids.count(uid) > 1:
            reason = "shared-uid"
        elif name in gone and alive:
            reason = "left"
        elif alive and int(uid) >= 1000 and last.get(name, d.date.min) < since:
            reason = "idle"
        else:
            continue
        print(name, reason, sep=",", file=out)
print(len(rows), "accounts")
"""
SIZES = {"simple": 12, "medium": 24, "complex": 36}
SYSTEM = ("root:0:/root:/bin/bash", "daemon:1:/usr/sbin:/usr/sbin/nologin",
          "mail:8:/var/mail:/usr/sbin/nologin", "www-data:33:/var/www:/usr/sbin/nologin",
          "sshd:105:/run/sshd:/usr/sbin/nologin", "postgres:110:/var/lib/pg:/bin/bash",
          "sync:4:/bin:/bin/false")  # fmt: skip


class Params(KitParams):
    """The day of the audit, and how long an account may be idle."""

    day: date
    idle: int = Field(ge=30, le=120)
    people: int = Field(ge=12, le=36)


@dataclass(frozen=True)
class World:
    """The host's lists, the findings, and the corrected list."""

    contents: dict[str, str]
    findings: tuple[tuple[str, str], ...]
    corrected: str
    locked: int


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the accounts from the parameters."""
    d = Draw(p.content)
    f = p.folder
    lines: list[tuple[str, int, str, str, str]] = []
    for entry in SYSTEM:
        system, own, home, login = entry.split(":")
        lines.append((system, int(own), system, home, login))
    people = d.people(p.people)
    names = [person.split()[0][0].lower() + person.split()[1].lower() for person in people]
    leavers: list[tuple[str, str]] = []
    logins: list[tuple[str, str]] = []
    exceptions = ["backup-agent"]
    reasons: dict[str, str] = {}

    def seen(name: str, days: int) -> None:
        logins.append((name, (p.day - timedelta(days=days)).isoformat()))

    lines.append(("backup-agent", 0, "backups", "/var/lib/agent", "/bin/bash"))
    lines.append(("toor", 0, "", "/root", "/bin/sh"))
    reasons["toor"] = "second-root"
    for number, (person, name) in enumerate(zip(people, names, strict=True)):
        uid, shell = 1000 + number, "/bin/bash"
        for _ in range(d.integer(1, 3)):
            seen(name, d.integer(p.idle + 1, p.idle + 300))
        kind = number % 8
        if kind in (0, 3, 6):  # in use
            seen(name, d.integer(0, p.idle))
        elif kind == 1:  # has left, and was there until lately
            leavers.append((name, (p.day - timedelta(days=d.integer(1, 9))).isoformat()))
            seen(name, d.integer(2, p.idle))
            reasons[name] = "left"
        elif kind == 2:
            reasons[name] = "idle"
        elif kind == 4:  # shares a uid with the one before, who is in use
            uid -= 1
            reasons[name] = reasons[names[number - 1]] = "shared-uid"
        elif kind == 5:  # has left and is locked
            shell = "/usr/sbin/nologin"
            leavers.append((name, (p.day - timedelta(days=d.integer(9, 200))).isoformat()))
        elif kind == 7:
            exceptions.append(name)
        lines.append((name, uid, person, f"/home/{name}", shell))
    passwd = [
        f"{name}:x:{uid}:{uid}:{comment}:{home}:{shell}"
        for name, uid, comment, home, shell in (*lines[:7], *d.shuffled(lines[7:]))
    ]
    order = [line.split(":")[0] for line in passwd]
    findings = tuple((name, reasons[name]) for name in order if name in reasons)
    lock = {name for name, reason in findings if reason in ("left", "idle")}
    corrected = "".join(
        (line.rpartition(":")[0] + ":/usr/sbin/nologin" if line.split(":")[0] in lock else line)
        + "\n"
        for line in passwd
    )
    contents = {
        f"{f}/POLICY.md": POLICY.format(idle=p.idle, day=p.day.isoformat(), person=d.person()),
        f"{f}/passwd": "".join(f"{line}\n" for line in passwd),
        f"{f}/logins.csv": csv_text(("account", "day"), d.shuffled(logins)),
        f"{f}/leavers.csv": csv_text(("account", "since"), leavers),
        f"{f}/exceptions.txt": "".join(f"{name}\n" for name in exceptions),
        **surroundings(p.content, f, 12),
    }
    return World(contents, findings, corrected, len(lock))


class AuditAccounts(Kit[Params]):
    """Accounts to audit."""

    name = "system-infrastructure/audit-accounts"
    title = "Audit the accounts of a host"
    description = "Report accounts that break a policy, and prepare a corrected passwd for review."
    obstacle = "exceptions, and locked accounts, that look like findings"
    requires = ("python3",)
    folders = ("account-audit", "host-accounts", "access-review")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more people."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            day=date(2026, int(rng.integers(1, 12)), int(rng.integers(1, 28))),
            idle=int(rng.integers(30, 121)),
            people=SIZES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The lists and the policy."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Report; prepare the corrected list."""
        f = p.folder
        policy, passwd, table = f"{f}/POLICY.md", f"{f}/passwd", f"{f}/findings.csv"
        new = f"{f}/passwd.new"
        return (
            SubGoal(
                id="report",
                request=f"audit the accounts of {passwd} by {policy} and write {table} with the "
                "columns account and reason, a row for each account that has to be reported",
                label="the findings of the audit",
                facts=(Fact("passwd", passwd), Fact("policy", policy), Fact("table", table)),
                artifacts=(table,),
                question="What if two reasons hold for one account?",
                answer="Report the first of them in the order of the policy",
            ),
            SubGoal(
                id="lock",
                request=f"write {new}, a copy of {passwd} in which exactly the accounts that "
                f"{table} reports as left or idle have the shell /usr/sbin/nologin, leave {passwd} "
                "itself alone, and tell me how many accounts that locks",
                label="the corrected list of accounts",
                facts=(Fact("new", new), Fact("passwd", passwd), Fact("table", table)),
                artifacts=(new,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The findings, the corrected copy, the number."""
        w, f = world(p), p.folder
        return (
            CsvRows(
                id="findings",
                subgoal="report",
                weight=2,
                path=f"{f}/findings.csv",
                columns=("account", "reason"),
                rows=w.findings,
            ),
            Text(
                id="corrected",
                subgoal="lock",
                weight=2,
                path=f"{f}/passwd.new",
                text=TextMatch(equals=w.corrected),
            ),
            Said(id="told", subgoal="lock", unit=("account", "lock"), number=w.locked),
            untouched(w.contents, failure="passwd or another list of the host was changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the policy, apply it with a short program; rewrite shells in a copy."""
        return self._report(p) if subgoal == "report" else self._lock(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Count by reason, or compare the copy."""
        if subgoal == "report":
            (shown,) = yield sh(
                "tail -n +2 findings.csv | cut -d, -f2 | sort | uniq -c", workdir=p.folder
            )
            kinds = ", ".join(" ".join(line.split()) for line in shown.text.strip().splitlines())
            return f"I counted the findings again by reason: {kinds}."
        (shown,) = yield sh("diff passwd passwd.new | grep -c '^>'", workdir=p.folder)
        return f"I compared: {plural(shown.text, 'account')} differ from passwd."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Exceptions forgotten; every finding locked; the file in use overwritten."""
        everyone = self._lock(p, which="1")
        return (
            WrongSolution("exceptions reported", self._report(p, spared="()")),
            WrongSolution("every finding locked", everyone, "lock"),
            WrongSolution(
                "passwd overwritten", self._lock(p, then="; cp passwd.new passwd"), "lock"
            ),
        )

    def _report(self, p: Params, spared: str = 'open("exceptions.txt").read().split()') -> Solution:
        (policy,) = yield read(f"{p.folder}/POLICY.md")
        (ran,) = yield sh(
            f"cat > /tmp/audit.py <<'EOF'\n{PROGRAM.format(spared=spared)}EOF\n"
            "python3 /tmp/audit.py && cat findings.csv",
            workdir=p.folder,
        )
        if ran.failed or "first that holds" not in policy.text:
            return f"The audit stopped: {last_line(ran.text)}"
        of, first = found(r"^(\d+) accounts", ran.text), ran.text.splitlines()[2]
        rows = len(ran.text.strip().splitlines()) - 2
        return f"{plural(rows, 'finding')} of {of} accounts are in findings.csv, first `{first}`."

    def _lock(
        self, p: Params, which: str = '($2 == "left" || $2 == "idle")', then: str = ""
    ) -> Solution:
        (ran,) = yield sh(
            f"awk -F'[,:]' 'NR == FNR {{ if (FNR > 1 && {which}) l[$1] = 1; next }} "
            '$1 in l { sub(/:[^:]*$/, ":/usr/sbin/nologin") } { print }\' findings.csv passwd '
            f"> passwd.new; diff passwd passwd.new | grep -c '^>'{then}",
            workdir=p.folder,
        )
        count = found(r"^(\d+)", ran.text)
        return f"passwd.new is written; it locks {plural(count, 'account')}."
