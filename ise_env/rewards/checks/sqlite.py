"""What a query on an SQLite database gives.

The database is opened inside the sandbox, never by this process: a crafted file may crash or
stall the library. Python's own module is used, so no `.sqliterc` is read, and a write-ahead log
that lies beside the file counts.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import JsonValue

from ise_env.errors import VerifierError
from ise_env.rewards.checks.command import CLEAN_PYTHON
from ise_env.rewards.checks.json_data import parse_json, same_json
from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.evidence import Evidence, Unmet, excerpt

PROGRAM = """\
import json, os, sqlite3, sys
asked = json.load(sys.stdin)
try:
    if not os.path.isfile(asked["path"]):
        raise OSError("no such file")
    base = sqlite3.connect(asked["path"])
    if asked["integrity"]:
        verdict = base.execute("pragma integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    rows = base.execute(asked["query"]).fetchmany(asked["limit"])
    answer = {"rows": [[str(c) if isinstance(c, bytes) else c for c in row] for row in rows]}
except (OSError, sqlite3.Error, sqlite3.Warning, UnicodeError) as error:
    answer = {"error": str(error)[:300]}
print(json.dumps(answer))
"""


class Sqlite(Kind):
    """A query returns exactly these rows."""

    kind: Literal["sqlite"] = "sqlite"
    path: str
    query: str
    rows: tuple[tuple[JsonValue, ...], ...]
    ordered: bool = False
    integrity: bool = False
    tolerance: float = 0.005

    def judge(self, evidence: Evidence) -> str:
        """Run the query in the sandbox and compare here."""
        if evidence.stat(self.path).kind != "file":
            raise Unmet(f"{self.path}: not a file")
        found = self._ask(evidence)
        wanted = [list(row) for row in self.rows]
        if not self.ordered:
            found, wanted = sorted(found, key=json.dumps), sorted(wanted, key=json.dumps)
        if not same_json(found, wanted, self.tolerance):
            raise Unmet(
                f"{self.path}: {excerpt(self.query, 80)} gives {excerpt(json.dumps(found))}, "
                f"not {excerpt(json.dumps(wanted))}"
            )
        return f"{self.path}: the {len(found)} expected rows"

    def _ask(self, evidence: Evidence) -> list[list[JsonValue]]:
        question = {
            "path": self.path,
            "query": self.query,
            "integrity": self.integrity,
            "limit": len(self.rows) + 1,
        }
        argv = (*CLEAN_PYTHON, "-c", PROGRAM)
        done = evidence.run(argv, stdin=json.dumps(question).encode(), timeout_s=20)
        if done.timed_out or done.signal:
            raise Unmet(f"{self.path}: the query does not come to an end")
        if done.exit_code != 0:
            cause = done.stderr.decode("utf-8", "replace")
            raise VerifierError(f"{self.path}: the query could not be run: {excerpt(cause, 300)}")
        answer = parse_json(done.output.decode("utf-8", "replace"), self.path)
        if "error" in answer:
            raise Unmet(f"{self.path}: {answer['error']}")
        rows: list[list[JsonValue]] = answer["rows"]
        return rows
