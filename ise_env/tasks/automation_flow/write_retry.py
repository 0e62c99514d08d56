"""A retry script to write to a specification, and a flaky command to run under it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import Command, Exists, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import files, untouched
from ise_env.tasks.steps import found, plural, read, sh, write
from ise_env.workspaces.protocol import SeedFile

FETCH = """\
#!/usr/bin/env bash
# Asks the rate service, which is not always there. Keeps the result in rates.csv.
set -eu
cd "$(dirname "$0")"
mkdir -p cache
calls=$(( $(cat cache/calls 2>/dev/null || echo 0) + 1 ))
echo "$calls" > cache/calls
if [ "$calls" -le {failures} ]; then
  echo "rate service: {complaint}" >&2
  exit {status}
fi
cp cache/answer.csv rates.csv
echo "rates fetched"
"""

FLAKY = """\
n=$(( $(cat "$1" 2>/dev/null || echo 0) + 1 ))
echo "$n" > "$1"
if [ "$n" -lt "$2" ]; then exit "$3"; fi
shift 3
printf 'got:%s\\n' "$@"
"""
"""A hidden command: counts in a file, fails until the given call, then prints its arguments."""

RULES = {
    "lines": "After each try it writes one line to standard error: `{line}`.",
    "out": "Standard output belongs to the command alone.",
    "status": "It exits with the status of the last try.",
    "usage": "With fewer than three arguments it writes a usage line to standard error, runs\n"
    "  nothing, and exits with status 2.",
    "fatal": "A status of {fatal} or more means that trying again is pointless: it stops at once.",
    "pause": "It waits DELAY seconds between two tries, not after the last.",
}
LINES = ("try {n}: status {s}", "[{n}/{m}] status {s}", "attempt {n} of {m} ended with {s}")
COMPLAINTS = ("connection refused", "busy, come back later", "timed out", "no route to host")


class Params(KitParams):
    """The form of a line, and how stubborn the command is."""

    line: str
    fatal: int = Field(ge=0, le=99)
    """0: there is no such rule."""
    failures: int = Field(ge=2, le=4)
    status: int = Field(ge=1, le=49)
    tries: int = Field(ge=4, le=8)


@dataclass(frozen=True)
class World:
    """What lies there."""

    contents: dict[str, str]
    fetch: str
    rates: str


def log(p: Params, statuses: list[int], most: int) -> str:
    """What standard error should hold."""
    return "".join(
        p.line.format(n=n, m=most, s=status) + "\n" for n, status in enumerate(statuses, 1)
    )


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the folder from the parameters."""
    d = Draw(p.content)
    f = p.folder
    currencies = d.some(("CHF", "CZK", "DKK", "GBP", "HUF", "NOK", "PLN", "SEK", "USD"), 5)
    rates = "currency,rate\n" + "".join(f"{c},{money(d.integer(50, 2600))}\n" for c in currencies)
    left_out = {"fatal"} if not p.fatal else set()
    shown = p.line.format(n="N", m="MAX", s="STATUS")
    rules = [
        rule.format(line=shown, fatal=p.fatal) for k, rule in RULES.items() if k not in left_out
    ]
    contents = {
        f"{f}/SPEC.md": "# retry.sh\n\n`retry.sh MAX DELAY COMMAND [ARGUMENT...]` runs the command "
        "until it succeeds,\nat most MAX times. Bash, nothing else needed.\n\n"
        + "".join(f"- {rule}\n" for rule in rules)
        + "\nN counts the tries from 1, MAX is the argument, STATUS is the exit status of that "
        "try.\nArguments of the command arrive as they were given, spaces included.\n",
        f"{f}/cache/answer.csv": rates,
        f"{f}/rates-{d.integer(2019, 2024)}.csv": "currency,rate\n",
        f"{f}/README.md": f"Rates for the {d.word('services')} team. Ask {d.person()}.\n",
    }
    fetch = FETCH.format(failures=p.failures, status=p.status, complaint=d.pick(COMPLAINTS))
    return World(contents, fetch, rates)


class WriteRetry(Kit[Params]):
    """A retry script to write."""

    name = "automation-flow/write-retry"
    title = "Write a retry script and use it"
    description = "Write a shell script that retries a command as specified, then run one with it."
    obstacle = "the command to run fails several times before it works"
    folders = ("rates", "fetcher", "watchdog")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: a status that must not be retried, and a more stubborn command."""
        failures = int(rng.integers(2, 4)) + (complexity == "complex")
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            line=one(rng, LINES),
            fatal=0 if complexity == "simple" else int(rng.integers(60, 100)),
            failures=failures,
            status=int(rng.integers(1, 50)),
            tries=failures + int(rng.integers(2, 5)),
        )

    def seed(self, p: Params) -> Seed:
        """A specification, and the command that fails at first."""
        w = world(p)
        fetch = SeedFile(f"{p.folder}/fetch-rates.sh", w.fetch.encode(), mode=0o755)
        return Seed((*files(w.contents), fetch))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """Write it, use it."""
        script, spec, fetch, log_file = (
            f"{p.folder}/{n}" for n in ("retry.sh", "SPEC.md", "fetch-rates.sh", "retry.log")
        )
        return (
            SubGoal(
                id="write",
                request=f"write the script {script} as {spec} describes it and make it executable",
                label="the retry script",
                facts=(Fact("script", script), Fact("spec", spec)),
                artifacts=(script,),
                question="Should it wait after the last try as well?",
                answer="No, only between two tries",
            ),
            SubGoal(
                id="use",
                request=f"run {fetch} under it with at most {p.tries} tries and a delay of 0, keep "
                f"only the lines that it writes itself about its tries in {log_file}, and tell me "
                "how many tries it took",
                label="the fetch under the retry script",
                facts=(Fact("fetch", fetch), Fact("log", log_file), Fact("tries", f"{p.tries}")),
                artifacts=(log_file, f"{p.folder}/rates.csv"),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Hidden commands under the script; the rates and the log of the real one."""
        w, f = world(p), p.folder
        took = p.failures + 1
        logged = log(p, [p.status] * p.failures + [0], p.tries)

        def ran(name: str, script: str, out: str, failure: str, weight: float = 1.0) -> Check:
            shell = f"d=$(mktemp -d); {script}; echo status=$?"
            return Command(
                id=name,
                subgoal="write",
                weight=weight,
                argv=("bash", "--noprofile", "--norc", "-c", shell),
                cwd=f,
                files={f"{f}/.probe/flaky.sh": FLAKY},
                stdout=TextMatch(equals=out),
                timeout_s=20,
                failure=failure,
            )

        flaky = "bash .probe/flaky.sh $d/n"
        stop = p.fatal or 77
        fatal = f"status={stop}\n" + log(p, [stop] * (1 if p.fatal else 3), 3)
        return (
            Exists(id="executable", subgoal="write", path=f"{f}/retry.sh", executable=True),
            ran(
                "succeeds",
                f"./retry.sh 5 0 {flaky} 3 7 'a  b' c 2>$d/err; echo s=$?; cat $d/err",
                "got:a  b\ngot:c\ns=0\n" + log(p, [7, 7, 0], 5) + "status=0\n",
                "a command that succeeds at the third try is not run as the specification says",
                2,
            ),
            ran(
                "gives up",
                f"./retry.sh 2 0 {flaky} 9 5 2>&1",
                log(p, [5, 5], 2) + "status=5\n",
                "it does not end with the status of the last try, or logs something else",
            ),
            ran(
                "stops at a fatal status" if p.fatal else "retries any status",
                f"./retry.sh 3 0 {flaky} 9 {stop} 2>$d/err; echo status=$?; cat $d/err",
                fatal + "status=0\n",
                f"a command that ends with {stop} is not treated as the specification says",
            ),
            ran(
                "usage",
                "./retry.sh 3 true 2>/dev/null; echo $?",
                "2\nstatus=0\n",
                "without a command it does not end with the status 2",
            ),
            Text(id="rates", subgoal="use", path=f"{f}/rates.csv", text=TextMatch(equals=w.rates)),
            Text(id="log", subgoal="use", path=f"{f}/retry.log", text=TextMatch(equals=logged)),
            Said(id="told", subgoal="use", unit=("tr(y|ies)", "attempts?"), number=took),
            untouched(
                {f"{f}/fetch-rates.sh": w.fetch, f"{f}/SPEC.md": w.contents[f"{f}/SPEC.md"]},
                failure="the command or the specification was changed",
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read the specification, write, try out; then use it."""
        return self._write(p) if subgoal == "write" else self._use(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Try the script on a harmless command; look at the log."""
        if subgoal == "write":
            (tried,) = yield sh("./retry.sh 3 0 true; echo status $?", workdir=p.folder)
            status = tried.text.strip().splitlines()[-1]
            return f"I ran it once more, with `true` this time: it stopped at once with {status}."
        (shown,) = yield sh("wc -l retry.log rates.csv; tail -n 1 retry.log", workdir=p.folder)
        return f"The last line of the log reads `{shown.text.strip().splitlines()[-1]}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Losing the status or the spaces; retrying what is pointless."""
        flaws = [
            ("spaces lost", {'"$@"': "$*"}),
            ("always a success", {'exit "$status"': "exit 0"}),
        ]
        return tuple(WrongSolution(name, self._write(p, flaw)) for name, flaw in flaws)

    def _write(self, p: Params, flaw: dict[str, str] | None = None) -> Solution:
        (spec,) = yield read(f"{p.folder}/SPEC.md")
        line = found(r"standard error: `(.+)`", spec.text)
        text = _script(line, int(found(r"A status of (\d+)", spec.text, "0")))
        for old, new in (flaw or {}).items():
            text = text.replace(old, new)
        path = f"{p.folder}/retry.sh"
        (saved,) = yield write(path, text)
        if saved.failed:
            return f"{path} could not be written: {saved.text}"
        (tried,) = yield sh(
            "chmod +x retry.sh && ./retry.sh 2 0 bash -c 'exit 4' 2>&1; echo status $?",
            workdir=p.folder,
        )
        (none,) = yield sh("./retry.sh 2 0; echo status $?", workdir=p.folder)
        tries, status = tried.text.count("4\n"), found(r"^status (\d+)", tried.text)
        return (
            f"{path} is written and executable. A command that always exits with 4 was run "
            f"{plural(tries, 'time')} with the final status {status}; without a command it "
            f"ends with "
            f"{found(r'^status (.+)', none.text)}."
        )

    def _use(self, p: Params) -> Solution:
        here = {"workdir": p.folder}
        (ran,) = yield sh(
            f"./retry.sh {p.tries} 0 ./fetch-rates.sh 2>&1 >/dev/null | tee err", **here
        )
        (kept,) = yield sh(
            "grep -v '^rate service: ' err > retry.log; rm err; cat retry.log", **here
        )
        (rates,) = yield sh("wc -l rates.csv cache/calls; cat cache/calls", **here)
        took = rates.text.strip().splitlines()[-1]
        complaint = found(r"^rate service: (.+)$", ran.text)
        return (
            f"It took {plural(took, 'try', 'tries')}; before that the service said `{complaint}`. "
            f"The log has {plural(len(kept.text.strip().splitlines()), 'line')}."
        )


def _script(line: str, fatal: int) -> str:
    """The script for a form of line, with N, MAX and STATUS in it."""
    shown = line.replace("MAX", "$most").replace("STATUS", "$status").replace("N", "$n")
    stop = f'  if [ "$status" -ge {fatal} ]; then break; fi\n' if fatal else ""
    return (
        "#!/usr/bin/env bash\n"
        "# Runs a command until it succeeds: retry.sh MAX DELAY COMMAND [ARGUMENT...]\n"
        "set -u\n"
        'if [ "$#" -lt 3 ]; then\n'
        '  echo "usage: retry.sh MAX DELAY COMMAND [ARGUMENT...]" >&2\n  exit 2\nfi\n'
        "most=$1 delay=$2\nshift 2\nstatus=0\n"
        'for (( n = 1; n <= most; n++ )); do\n  status=0\n  "$@" || status=$?\n'
        f'  echo "{shown}" >&2\n'
        '  if [ "$status" -eq 0 ]; then break; fi\n'
        f"{stop}"
        '  if [ "$n" -lt "$most" ]; then sleep "$delay"; fi\n'
        'done\nexit "$status"\n'
    )
