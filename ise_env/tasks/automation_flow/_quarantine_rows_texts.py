"""What lies in the workspace of the kit quarantine-rows, and what its oracle runs there."""

from __future__ import annotations

CONTRACT = """\
# What a feed looks like

Every partner puts one CSV file into `in/`. The first line names the columns `id`, `sku`, `qty`,
`price` and `day`, in any order; cells are parted by commas or by semicolons, as the first line
shows. Some files come from Windows, with a byte order mark and CR LF.

A row is bad for the first of these reasons that holds:

| reason | when |
| --- | --- |
| `cells` | it has more or fewer cells than the first line |
| `id` | `id` is not made of digits only |
| `qty` | `qty` is no whole number above 0 |
| `price` | `price` is not digits, a point and exactly two digits |
| `day` | `day` is no date of the calendar as YYYY-MM-DD |
| `repeated` | a good row with the same `id` came before it; files go by name |

Good rows go into `clean.csv`, columns in the order `id,sku,qty,price,day`, cells as they are. Bad
ones go into `quarantine.csv`, columns `file,line,reason`: the file's name without folder, the
number of the line in it (the first line is 1), and the reason. A feed is never mended: {person}
writes to the partner.
"""
PROGRAM = """\
import csv, datetime as d, pathlib, re
def wrong(cells, head, row, seen):
    if len(cells) != len(head):
        return "cells"
    if not re.fullmatch("[0-9]+", row["id"]):
        return "id"
    if not re.fullmatch("[0-9]+", row["qty"]) or int(row["qty"]) < 1:
        return "qty"
    if not re.fullmatch(r"[0-9]+\\.[0-9]{{2}}", row["price"]):
        return "price"
    try:
        if not re.fullmatch(r"\\d{{4}}-\\d\\d-\\d\\d", row["day"]):
            return "day"
        d.date.fromisoformat(row["day"])
    except ValueError:
        return "day"
    return "repeated" if row["id"] in seen else ""
names, seen, good, bad = ["id", "sku", "qty", "price", "day"], set(), [], []
for path in sorted(pathlib.Path("in").glob("*.csv")):
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    cut = ";" if ";" in lines[0] else ","
    head = lines[0].split(cut)
    for number, line in enumerate(lines[1:], 2):
        cells = line.split(cut)
        row = dict(zip(head, cells))
        reason = wrong(cells, head, row, seen)
        if reason:
            bad.append([path.name, number, reason])
        else:
            {remember}
            good.append([row[name] for name in names])
for name, head, rows in (("clean", names, good), ("quarantine", ["file", "line", "reason"], bad)):
    with open(name + ".csv", "w") as out:
        csv.writer(out, lineterminator="\\n").writerows([head, *rows])
print(len(good), "good,", len(bad), "bad")
"""
LOAD = """\
import csv, sqlite3
base = sqlite3.connect("stock.db")
before = base.total_changes
rows = list(csv.DictReader(open("clean.csv")))
base.executemany("insert or {what} into deliveries values (:id, :sku, :qty, :price, :day)", rows)
base.commit()
print(base.total_changes - before, "added of", len(rows))
"""
