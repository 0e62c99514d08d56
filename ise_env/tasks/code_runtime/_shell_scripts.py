"""Shell reports to port: the script, the same in Python, a port that is nearly right, and data.

Each reads CSV from the file named as its argument and prints a report. `flaw` is a passage of
the port and what careless work makes of it; the hidden inputs tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from ise_env.tasks.draw import Draw, money

HEAD = '"""{title}: the same as report.sh, in Python."""\n\nimport sys\n\n'


@dataclass(frozen=True)
class Report:
    """One script and its port."""

    title: str
    header: str
    shell: str
    port: str
    flaw: tuple[str, str]

    def output(self, table: str) -> str:
        """What script and port print for a table; computed by running the port here."""
        printed: list[str] = []
        lines = table.splitlines()
        scope: dict[str, object] = {}
        exec(compile(HEAD + self.port, "report.py", "exec"), scope)
        report = scope["report"]
        assert callable(report)
        printed.extend(report(lines))
        return "".join(line + "\n" for line in printed)

    @property
    def program(self) -> str:
        """The whole port."""
        return HEAD.format(title=self.title) + self.port + MAIN


MAIN = """

if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in report(file.read().splitlines()):
            print(line)
"""

REPORTS = {
    "top": Report(
        title="Largest customers",
        header="date,customer,amount",
        shell=r"""#!/usr/bin/env bash
# Largest customers: sum by customer, the largest first, names in byte order where sums are equal.
set -euo pipefail
export LC_ALL=C
tail -n +2 "$1" | awk -F, '
  NF >= 3 { gsub(/^ +| +$/, "", $2); sum[$2] += $3; n[$2]++ }
  END { for (who in sum) printf "%.2f,%s,%d\n", sum[who], who, n[who] }
' | sort -t, -k1,1nr -k2,2 | head -n 5 |
  awk -F, '{ printf "%d. %-20s %10s (%d)\n", NR, $2, $1, $3 }'
""",
        port="""
def report(lines):
    sums, counts = {}, {}
    for line in lines[1:]:
        cells = line.split(",")
        if len(cells) < 3:
            continue
        who = cells[1].strip(" ")
        sums[who] = sums.get(who, 0.0) + float(cells[2])
        counts[who] = counts.get(who, 0) + 1
    ranked = sorted(sums, key=lambda who: (-round(sums[who], 2), who))[:5]
    for number, who in enumerate(ranked, 1):
        yield f"{number}. {who:<20} {sums[who]:>10.2f} ({counts[who]})"
""",
        flaw=('.strip(" ")', ""),
    ),
    "months": Report(
        title="Totals by month",
        header="date,customer,amount",
        shell=r"""#!/usr/bin/env bash
# Totals by month, and each month's share of the whole in full per cent, cut off.
set -euo pipefail
export LC_ALL=C
tail -n +2 "$1" | grep -v '^#' | awk -F, '
  $3 > 0 { month = substr($1, 1, 7); sum[month] += $3; all += $3 }
  END { for (m in sum) printf "%s %.2f %d%%\n", m, sum[m], int(sum[m] * 100 / all + 0.000001) }
' | sort
tail -n +2 "$1" | awk -F, '!/^#/ && $3 <= 0 { n++ } END { printf "left out: %d\n", n }'
""",
        port="""
def report(lines):
    sums, left_out = {}, 0
    for line in lines[1:]:
        if line.startswith("#"):
            continue
        date, _, amount = line.split(",")[:3]
        if float(amount) <= 0:
            left_out += 1
            continue
        sums[date[:7]] = sums.get(date[:7], 0.0) + float(amount)
    total = sum(sums.values())
    for month in sorted(sums):
        share = int(sums[month] * 100 / total + 0.000001)
        yield f"{month} {sums[month]:.2f} {share}%"
    yield f"left out: {left_out}"
""",
        flaw=("int(sums[month] * 100 / total + 0.000001)", "round(sums[month] * 100 / total)"),
    ),
    "first": Report(
        title="First and last purchase",
        header="date,customer,amount",
        shell=r"""#!/usr/bin/env bash
# First and last purchase of each customer, in the order in which customers first appear by date.
set -euo pipefail
export LC_ALL=C
tail -n +2 "$1" | grep -v '^#' | sort -s -t, -k1,1 | awk -F, '
  { gsub(/^ +| +$/, "", $2); who = tolower($2) }
  !(who in first) { first[who] = $1; order[++n] = who }
  { last[who] = $1; sum[who] += $3 }
  END { for (i = 1; i <= n; i++) {
    who = order[i]
    printf "%s: %s to %s, %s\n", who, first[who], last[who], (sum[who] > 1000 ? "large" : "small")
  } }
'
""",
        port="""
def report(lines):
    rows = [line.split(",") for line in lines[1:] if not line.startswith("#")]
    first, last, sums = {}, {}, {}
    for date, name, amount in sorted((row[:3] for row in rows), key=lambda row: row[0]):
        who = name.strip(" ").lower()
        first.setdefault(who, date)
        last[who] = date
        sums[who] = sums.get(who, 0.0) + float(amount)
    for who in first:
        size = "large" if sums[who] > 1000 else "small"
        yield f"{who}: {first[who]} to {last[who]}, {size}"
""",
        flaw=("for who in first:", "for who in sorted(first):"),
    ),
}


def table(d: Draw, header: str, rows: int) -> str:
    """Data with the blanks, remarks, refunds and equal sums that the scripts care about."""
    names = [name.split()[0] for name in d.people(max(4, rows // 5))]
    lines = [header]
    for number in range(rows):
        name = d.pick(names)
        if number % 4 == 1:
            name = d.pick((f" {name}", f"{name} "))
        cents = d.cents(20, 700)
        if number % 7 == 5:
            cents = -d.cents(1, 20)
        lines.append(f"{d.day(2025)},{name},{money(cents)}")
        if number % 9 == 4:
            lines.append(f"# checked by {d.word('first_names')}")
    tied = d.integer(9_000, 9_900) * 100
    lines += [f"{d.day(2025)},{name},{money(tied)}" for name in ("Zeta", "Alma")]
    return "\n".join(lines) + "\n"
