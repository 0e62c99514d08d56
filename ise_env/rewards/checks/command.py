"""A command in a clean shell: exit status and output, hidden inputs laid on top."""

from __future__ import annotations

import json
import posixpath
from typing import Literal

from pydantic import Field, JsonValue

from ise_env.errors import VerifierError
from ise_env.rewards.checks.json_data import parse_json, same_json
from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt
from ise_env.workspaces.protocol import SeedFile

NOT_FOUND = 127
"""What `exec` failing looks like through a shell, and through the sandbox."""


CLEAN_PYTHON = ("python3", "-I", "-S", "-B", "-X", "pycache_prefix=/nonexistent")
"""Python without start-up files, user site, environment or the tree's compiled files."""


class Command(Kind):
    """A command ends and prints as it should.

    The expected output stays on this side: nothing inside the sandbox knows it, so code under
    test can only meet the check by computing it. Prefer `stdout` to `exit_code` when the
    agent's own code runs in the process: code can always leave with 0.
    """

    kind: Literal["command"] = "command"
    argv: tuple[str, ...] = Field(min_length=1)
    cwd: str = "."
    stdin: str = ""
    files: dict[str, str] = Field(default_factory=dict, description="Hidden inputs: path to text.")
    exit_code: int | None = 0
    stdout: TextMatch | None = None
    prints: JsonValue = Field(
        default=None, description="Value of the last line of output; numbers compare as numbers."
    )
    timeout_s: float = Field(default=30.0, gt=0, le=300)

    def judge(self, evidence: Evidence) -> str:
        """Run the command over the tree and compare."""
        done = evidence.run(
            self.argv,
            cwd=self.cwd,
            stdin=self.stdin.encode(),
            files=[SeedFile(path, text.encode()) for path, text in self.files.items()],
            timeout_s=self.timeout_s,
        )
        said = done.output.decode("utf-8", "replace")
        cause = done.stderr.decode("utf-8", "replace")
        name = self._name()
        if done.timed_out:
            raise Unmet(f"{name}: not done after {self.timeout_s:g} s")
        if done.exit_code == NOT_FOUND and "/" not in self.argv[0]:
            raise VerifierError(f"{self.argv[0]}: not found in the clean shell: {excerpt(cause)}")
        if self.exit_code is not None and done.exit_code != self.exit_code:
            how = f"signal {done.signal}" if done.signal else f"exit code {done.exit_code}"
            raise Unmet(f"{name}: {how}: {excerpt(cause or said, 300)}")
        if self.prints is not None:
            self._demand_value(said, name)
        if self.stdout is not None:
            return self.stdout.demand(said, name)
        return f"{name}: exit code {done.exit_code}"

    def _name(self) -> str:
        """The command for a person: a script handed over as an argument is not spelt out."""
        program = posixpath.basename(self.argv[0])
        if "-c" not in self.argv:
            return f"`{excerpt(' '.join(self.argv), 60)}`"
        own = self.argv[self.argv.index("-c") + 2 :]
        return f"a test in {program}" + (f" of {' '.join(own)}" if own else "")

    def _demand_value(self, said: str, name: str) -> None:
        lines = said.strip().splitlines()
        value = parse_json(lines[-1] if lines else "", name)
        if not same_json(value, self.prints, 1e-9):
            wanted = json.dumps(self.prints)
            raise Unmet(f"{name}: prints {excerpt(lines[-1])}, not {excerpt(wanted)}")
