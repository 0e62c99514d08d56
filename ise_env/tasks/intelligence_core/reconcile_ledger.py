"""Compare a book of payments with the bank's export and account for the difference."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import CsvRows, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, amount_pattern, content_seed, money, one
from ise_env.tasks.kit import Fact, Kit, KitParams, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, untouched
from ise_env.tasks.steps import edit, found, plural, read, sh, write

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september")
SIZES = {"simple": 12, "medium": 20, "complex": 32}


class Params(KitParams):
    """Which month, and how much of it."""

    month: str
    rows: int = Field(ge=12, le=32)
    separators: bool
    """Whether the bank writes thousands separators, and a trailer line below its rows."""


@dataclass(frozen=True)
class World:
    """Both sides, and what lies between them."""

    book: dict[str, tuple[str, str, int]]
    bank: dict[str, tuple[str, str, int]]
    contents: dict[str, str]

    @property
    def mismatches(self) -> list[tuple[str, str, str]]:
        """Rows of the report."""
        rows = []
        for ref in sorted({*self.book, *self.bank}):
            ours, theirs = self.book.get(ref), self.bank.get(ref)
            if ours is None or theirs is None or ours[2] != theirs[2]:
                gap = (theirs[2] if theirs else 0) - (ours[2] if ours else 0)
                problem = (
                    "amount" if ours and theirs else f"missing in {'bank' if ours else 'book'}"
                )
                rows.append((ref, problem, money(gap)))
        return rows

    @property
    def net(self) -> float:
        """Sum of the differences."""
        return round(sum(float(row[2]) for row in self.mismatches), 2)


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive both tables from the parameters."""
    d = Draw(p.content)
    month = MONTHS.index(p.month) + 1
    refs = [f"P{d.integer(100, 999)}-{n:03d}" for n in range(1, p.rows + 1)]
    entries = {
        ref: (d.day(2025, month).isoformat(), d.word("companies"), d.cents(12, 4200))
        for ref in refs
    }
    odd = d.some(refs, 3 + p.rows // 8)
    book = {ref: entries[ref] for ref in refs if ref != odd[0]}
    bank = {ref: entries[ref] for ref in d.shuffled(refs) if ref != odd[1]}
    for ref in odd[2:]:
        when, who, cents = bank[ref]
        bank[ref] = (when, who, cents + d.integer(1, 9) * d.pick((1, -1, 10, -10, 90)))

    def shown(cents: int) -> str:
        return f"{cents / 100:,.2f}" if p.separators else money(cents)

    bank_csv = csv_text(
        ("value_date", "ref", "payee", "amount"),
        [(when, ref, who.upper(), shown(cents)) for ref, (when, who, cents) in bank.items()],
    )
    if p.separators:
        bank_csv += (
            f'# end of export,{len(bank)} bookings,,"{shown(sum(v[2] for v in bank.values()))}"\n'
        )
    book_csv = csv_text(
        ("ref", "date", "payee", "amount"),
        [(ref, when, who, money(cents)) for ref, (when, who, cents) in book.items()],
    )
    clerk = d.person()
    other = MONTHS[month % len(MONTHS)]
    contents = {
        f"{p.folder}/{p.month}.csv": book_csv,
        f"{p.folder}/bank-{p.month}.csv": bank_csv,
        f"{p.folder}/bank-{other}.csv": bank_csv.split("\n")[0] + "\n",
        f"{p.folder}/notes.md": f"# Month end, {p.month}\n\n- Book kept by {clerk}.\n"
        f"- Bank export fetched on 2025-{month + 1:02d}-02.\n",
    }
    return World(book, bank, contents)


class ReconcileLedger(Kit[Params]):
    """A CSV to reconcile."""

    name = "intelligence-core/reconcile-ledger"
    title = "Reconcile a ledger with a bank export"
    description = (
        "Compare two CSV files by reference, report every mismatch and the net difference."
    )
    obstacle = "the bank's export has thousands separators and a trailer line"
    folders = ("ledger", "bookkeeping", "month-end")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more rows, and a bank export that is not quite CSV."""
        return Params(
            folder=one(rng, self.folders),
            content=content_seed(rng),
            month=one(rng, MONTHS),
            rows=SIZES[complexity],
            separators=complexity != "simple",
        )

    def seed(self, p: Params) -> Seed:
        """Two tables, another month's empty export, and notes."""
        return Seed(files(world(p).contents))

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The mismatches, then what they come to."""
        book, bank = f"{p.folder}/{p.month}.csv", f"{p.folder}/bank-{p.month}.csv"
        report, notes = f"{p.folder}/mismatches.csv", f"{p.folder}/notes.md"
        return (
            SubGoal(
                id="compare",
                request=f"compare our book {book} with the bank's {bank} by ref and write every "
                f"mismatch to {report} with the columns ref, problem and difference, where problem "
                "is `missing in bank`, `missing in book` or `amount`, and difference is the bank's "
                "amount minus ours, counting a side that is missing as 0",
                label=f"the {p.month.capitalize()} reconciliation",
                facts=(Fact("book", book), Fact("bank", bank), Fact("report", report)),
                artifacts=(report,),
            ),
            SubGoal(
                id="net",
                request=f"add up the differences in {report}, tell me the sum, and append it to "
                f"{notes} as a last line that reads `Net difference:` and the amount with two "
                "decimals",
                label="the net difference",
                facts=(Fact("report", report), Fact("notes", notes)),
                artifacts=(notes,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """Rows, the noted sum, the spoken sum; both sources stay as they are."""
        w = world(p)
        notes = f"{p.folder}/notes.md"
        kept = w.contents[notes].rstrip("\n")
        sources = {k: v for k, v in w.contents.items() if k.endswith(".csv")}
        return (
            CsvRows(
                id="rows",
                subgoal="compare",
                weight=2,
                path=f"{p.folder}/mismatches.csv",
                columns=("ref", "problem", "difference"),
                rows=tuple(w.mismatches),
                failure="the report is not what the two files say",
            ),
            Text(
                id="noted",
                subgoal="net",
                path=notes,
                text=TextMatch(
                    contains=(kept,), matches=(rf"^Net difference: *{amount_pattern(w.net)}\s*\Z",)
                ),
                failure="the notes do not end with the net difference",
            ),
            Said(
                id="told",
                subgoal="net",
                unit=("difference", "net", "add up", "sum"),
                number=w.net,
                failure="the sum was not told",
            ),
            untouched(sources),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """Read both files, compute, write; then sum what was written."""
        return self._compare(p) if subgoal == "compare" else self._net(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the report or at the notes."""
        name = "mismatches.csv" if subgoal == "compare" else "notes.md"
        (shown,) = yield read(f"{p.folder}/{name}")
        lines = shown.text.strip().splitlines()
        if subgoal == "compare":
            count = plural(len(lines) - 1, "mismatch", "mismatches")
            return f"{p.folder}/{name} lists {count}: {'; '.join(lines[1:])}."
        return f"{p.folder}/{name} has {plural(len(lines), 'line')}; the last one is `{lines[-1]}`."

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """Looking at one side only, and summing without the sign."""
        return (
            WrongSolution("only refs that both sides have", self._compare(p, both_only=True)),
            WrongSolution("differences without their sign", self._compare(p, signed=False)),
        )

    def _compare(self, p: Params, both_only: bool = False, signed: bool = True) -> Solution:
        f = p.folder
        (listing,) = yield sh(f"ls -l {f}; head -n 3 {f}/*.csv; tail -n 2 {f}/bank-{p.month}.csv")
        trailer = "#" in listing.text
        book, bank = yield [read(f"{f}/{p.month}.csv"), read(f"{f}/bank-{p.month}.csv")]
        ours, theirs = _amounts(book.text), _amounts(bank.text)
        rows = []
        for ref in sorted({*ours, *theirs}):
            gap = round(theirs.get(ref, 0) - ours.get(ref, 0), 2)
            one_side = ref not in ours or ref not in theirs
            if gap and not (one_side and both_only):
                problem = "amount" if not one_side else "missing in book"
                problem = "missing in bank" if ref not in theirs else problem
                rows.append((ref, problem, f"{gap if signed else abs(gap):.2f}"))
        report = f"{f}/mismatches.csv"
        (saved,) = yield write(report, csv_text(("ref", "problem", "difference"), rows))
        if saved.failed:
            return f"I could not write {report}: {saved.text}"
        (counted,) = yield sh(f"tail -n +2 {report} | cut -d, -f2 | sort | uniq -c")
        aside = " The bank's trailer line is no booking, so I left it out." if trailer else ""
        kinds = ", ".join(" ".join(line.split()) for line in counted.text.splitlines())
        return f"I compared both files. Mismatches by problem: {kinds}.{aside}"

    def _net(self, p: Params) -> Solution:
        report, notes = f"{p.folder}/mismatches.csv", f"{p.folder}/notes.md"
        (total,) = yield sh(
            f"awk -F, 'NR > 1 {{ s += $3 }} END {{ printf \"%.2f\\n\", s }}' {report}"
        )
        net = total.text.strip()
        (before,) = yield read(notes)
        last = before.text.rstrip().splitlines()[-1]
        (edited,) = yield edit(notes, last, f"{last}\nNet difference: {net}")
        if edited.failed:
            (edited,) = yield sh(f"printf 'Net difference: %s\\n' '{net}' >> {notes}")
        (after,) = yield sh(f"tail -n 2 {notes}")
        noted = found(r"Net difference: (\S+)", after.text)
        return f"The differences add up to {noted}; {notes} now ends with that line."


def _amounts(text: str) -> dict[str, float]:
    rows = csv.DictReader(line for line in text.splitlines() if line and not line.startswith("#"))
    return {row["ref"]: float(row["amount"].replace(",", "")) for row in rows}
