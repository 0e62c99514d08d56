"""Certificates of many hosts, some renewed, some revoked: whose runs out soon?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, last_line, plural, read, sh
from ise_env.tasks.surroundings import surroundings

DUMP = """\
Certificate:
    Data:
        Version: 3 (0x2)
        Serial Number: {serial}
        Signature Algorithm: sha256WithRSAEncryption
        Issuer: O = {issuer}, CN = {issuer} Issuing CA
        Validity
            Not Before: {begins:%b %e %H:%M:%S %Y} GMT
            Not After : {ends:%b %e %H:%M:%S %Y} GMT
        Subject: O = {owner}, CN = {host}
        X509v3 extensions:
            X509v3 Subject Alternative Name:
                DNS:{host}, DNS:www.{host}
"""
RULES = """\
# Which certificate of a host counts

`dumps/` has the text of every certificate that was ever issued for us, named by serial number.

1. The host is the CN of the subject.
2. A certificate whose serial number is in `revoked.txt` does not count.
3. Of those that are left, the one with the latest `Not Before` counts; the others were renewed.
4. `days_left` is the number of days from the day of the report to the date of `Not After`; hours
   do not matter. A certificate that has run out already has a negative number and is listed, too.
5. An order to renew goes out {lead} days before the date of `Not After`.

Questions: {person}.
"""
PROGRAM = """\
import datetime as d, glob, re, sys
day, within = d.date.fromisoformat(sys.argv[1]), int(sys.argv[2])
gone = {gone}
newest = {{}}
for path in glob.glob("dumps/*.txt"):
    text = open(path).read()
    get = lambda pattern: re.search(pattern, text).group(1).strip()
    when = lambda key: d.datetime.strptime(get(key + r" ?: (.*) GMT"), "%b %d %H:%M:%S %Y")
    serial, host = get("Serial Number: (.*)"), get("Subject: .*CN = (.*)")
    if serial not in gone:
        newest.setdefault(host, []).append((when("Not {order}"), serial, when("Not After").date()))
rows = [(h, s, e, (e - day).days) for h, c in newest.items() for _, s, e in [{pick}(c)]]
with open("expiring.csv", "w") as out:
    print("host,serial,not_after,days_left", file=out)
    for row in sorted(r for r in rows if r[3] <= within):
        print(*row, sep=",", file=out)
print(len(newest), "hosts,", len(glob.glob("dumps/*.txt")), "certificates")
"""
_REVOKED = 'set(open("revoked.txt").read().split())'
SIZES = {"simple": 8, "medium": 14, "complex": 24}


class Params(KitParams):
    """The day of the report and how far it looks ahead."""

    day: date
    within: int = Field(ge=20, le=60)
    lead: int = Field(ge=7, le=21)
    hosts: int = Field(ge=8, le=24)


@dataclass(frozen=True)
class World:
    """All certificates, and those that run out."""

    contents: dict[str, str]
    rows: tuple[tuple[str, str, str, str], ...]
    orders: str
    first: str
    """The host that is ordered first."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the certificates from the parameters."""
    d = Draw(p.content)
    f = p.folder
    owner, issuer = d.different("companies", 2)
    domain = owner.split()[0].lower() + ".example"
    names = d.some([f"{s}.{domain}" for s in d.different("services", 24)], p.hosts)
    contents: dict[str, str] = {}
    revoked: list[str] = []

    def issue(host: str, ends: datetime) -> str:
        serial = f"{d.integer(0x10000000, 0x7FFFFFFF):x}"
        contents[f"{f}/dumps/{serial}.txt"] = DUMP.format(
            serial=serial,
            issuer=issuer,
            begins=ends - timedelta(days=398),
            ends=ends,
            owner=owner,
            host=host,
        )
        return serial

    def at(days: int) -> datetime:
        return d.moment(p.day + timedelta(days=days))

    rows = []
    # Days apart by one, so that no two orders go out on the same day.
    soon = d.some(range(-3, p.within), max(3, p.hosts // 3))
    later = iter(d.some(range(p.within + 5, p.within + 300), p.hosts))
    for number, host in enumerate(names):
        # Every third host is due; of the others, some were renewed, some had that revoked.
        due = number < len(soon)
        left = soon[number] if due else next(later)
        serial = issue(host, at(left))
        if number % 4 == 1:
            revoked.append(issue(host, at(left + 200)))
        if number % 3 != 0:
            issue(host, at(left - 330))
        if due:
            ends = p.day + timedelta(days=left)
            rows.append((host, serial, ends.isoformat(), str(left)))
    rows.sort()
    plan = sorted(
        (date.fromisoformat(end) - timedelta(days=p.lead), host) for host, _, end, _ in rows
    )
    contents |= {
        f"{f}/RULES.md": RULES.format(lead=p.lead, person=d.person()),
        f"{f}/revoked.txt": "".join(f"{serial}\n" for serial in d.shuffled(revoked)),
        **surroundings(p.content, f, 8),
    }
    orders = "".join(f"{day.isoformat()} {host}\n" for day, host in plan)
    return World(contents, tuple(rows), orders, plan[0][1])


class CheckCertificates(Kit[Params]):
    """Certificates to go through."""

    name = "system-infrastructure/check-certificates"
    title = "Find certificates that run out"
    description = "Find hosts whose certificate runs out, renewals and revocations considered."
    obstacle = "renewed hosts still have their old certificates, and some renewals were revoked"
    requires = ("python3",)
    folders = ("certificates", "tls-store", "pki")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more hosts."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            day=date(2026, int(rng.integers(1, 12)), int(rng.integers(1, 28))),
            within=int(rng.integers(20, 61)),
            lead=int(rng.integers(7, 22)),
            hosts=SIZES[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """The dumps and the rules."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """List what runs out; order renewals from the list."""
        f, day = p.folder, p.day.isoformat()
        rules, table, orders = f"{f}/RULES.md", f"{f}/expiring.csv", f"{f}/orders.txt"
        return (
            SubGoal(
                id="list",
                request=f"go through the certificates in {f}/dumps and write the hosts whose "
                f"certificate runs out at most {p.within} days after {day} to {table}, with the "
                "columns host, serial, not_after (as YYYY-MM-DD) and days_left; "
                f"which certificate of a host counts is said in {rules}",
                label="the list of certificates that run out",
                facts=(
                    Fact("dumps", f"{f}/dumps"),
                    Fact("within", str(p.within)),
                    Fact("day", day),
                    Fact("table", table),
                    Fact("rules", rules),
                ),
                artifacts=(table,),
                question="Does a host count that was renewed already?",
                answer="Only with its newest certificate that was not revoked",
            ),
            SubGoal(
                id="order",
                request=f"plan the renewals of the hosts in {table} in {orders}, one line each "
                "with the day on which the order goes out, one space and the host, earliest day "
                f"first, as {rules} says, and tell me which host comes first",
                label="the plan of renewals",
                facts=(Fact("table", table), Fact("orders", orders), Fact("rules", rules)),
                artifacts=(orders,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The rows, the plan, the first host."""
        w = world(p)
        return (
            CsvRows(
                id="rows",
                subgoal="list",
                weight=2,
                path=f"{p.folder}/expiring.csv",
                columns=("host", "serial", "not_after", "days_left"),
                rows=w.rows,
                failure="the list is not that of the certificates that count and run out",
            ),
            Text(
                id="orders",
                subgoal="order",
                path=f"{p.folder}/orders.txt",
                text=TextMatch(equals=w.orders),
            ),
            Said(
                id="told",
                subgoal="order",
                text=TextMatch(contains=(w.first,)),
                like=r"\b[a-z]+\.[a-z]+\.example\b",
            ),
            untouched(w.contents, failure="a certificate or the rules were changed"),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the rules, then a short program; shift dates."""
        return self._list(p) if subgoal == "list" else self._order(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at one row, or at the ends of the plan."""
        if subgoal == "list":
            (shown,) = yield sh("sed -n 2p expiring.csv; wc -l < expiring.csv", workdir=p.folder)
            serial = found(r"^[^,]+,([^,]+),", shown.text)
            (dump,) = yield sh(f"grep -A 2 Validity dumps/{serial}.txt", workdir=p.folder)
            until = found(r"Not After : (.*)", dump.text)
            return f"I compared the first row with its certificate: it ends on {until}."
        (head,) = yield sh("head -n 1 orders.txt", workdir=p.folder)
        return f"I looked again; the plan begins with {head.text.strip()}."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Forgetting revocations; taking the oldest certificate; the end dates as orders."""
        return (
            WrongSolution("revoked ones counted", self._list(p, gone="set()")),
            WrongSolution("first certificate taken", self._list(p, pick="min")),
            WrongSolution("no lead time", self._order(p, lead="0"), "order"),
        )

    def _list(self, p: Params, gone: str = _REVOKED, pick: str = "max") -> Solution:
        (rules,) = yield read(f"{p.folder}/RULES.md")
        order = "Before" if "latest `Not Before` counts" in rules.text else "After"
        program = PROGRAM.format(gone=gone, pick=pick, order=order)
        (ran,) = yield sh(
            f"cat > /tmp/certificates.py <<'EOF'\n{program}EOF\n"
            f"python3 /tmp/certificates.py {p.day.isoformat()} {p.within} && cat expiring.csv",
            workdir=p.folder,
        )
        if ran.failed:
            return f"The dumps could not be read: {last_line(ran.text)}"
        rows = ran.text.strip().splitlines()[2:]
        hosts = found(r"^(\d+) hosts", ran.text)
        return (
            f"Of {hosts} hosts, {len(rows)} have a certificate that runs out in time; they are in "
            f"expiring.csv, e.g. `{rows[0] if rows else 'none'}`."
        )

    def _order(self, p: Params, lead: str = "") -> Solution:
        (rules,) = yield read(f"{p.folder}/RULES.md")
        days = lead or found(r"goes out (\d+) days before", rules.text)
        (ran,) = yield sh(
            "tail -n +2 expiring.csv | while IFS=, read -r host _ end _; do "
            f'echo "$(date -u -d "$end - {days} days" +%F) $host"; done | sort > orders.txt; '
            "cat orders.txt",
            workdir=p.folder,
        )
        lines = ran.text.strip().splitlines()
        day, _, host = lines[0].partition(" ")
        return f"{plural(len(lines), 'order')} are planned; {host} comes first, on {day}."
