"""A small Node program that reads menus, as it is and as its manual wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ise_env.tasks.draw import Draw, money

PROGRAM = """\
#!/usr/bin/env node
// Adds up a menu: node menu.js FILE. What it should do with bad lines is in docs/menu.md.
'use strict';

const fs = require('node:fs');
const { parseLine } = require('./lib/lines.js');

const text = fs.readFileSync(process.argv[2], 'utf8');
let count = 0;
let cents = 0;
for (const line of text.split('\\n')) {
  if (line === '') continue;
  const dish = parseLine(line);
  count += 1;
  cents += dish.cents;
}
console.log(`${count} dishes, ${(cents / 100).toFixed(2)} together`);
"""

LINES = """\
'use strict';

// `NAME | PRICE`, the price with two decimals.
function parseLine(line) {
  const [name, price] = line.split('|');
  return { name: name.trim(), cents: Math.round(parseFloat(price) * 100) };
}

module.exports = { parseLine };
"""

MANUAL = """\
# menu.js

`node menu.js FILE` reads lines `NAME | PRICE`. Blank lines, and lines that begin with `#`, are
left out, and so are blanks around name and price.

A line is bad if it has not exactly one `|`, if its name is empty, or if its price is not digits,
a point and two digits. For every bad line, in order, it writes `FILE:NUMBER: bad line` to
standard error, FILE as it was given and NUMBER counted from 1, and goes on with the next.

What it prints in the end (standard output) counts the good lines only:
`3 dishes, 24.50 together`.

| exit status | when |
| --- | --- |
| 0 | every line was good |
| 1 | some line was bad |
| 2 | there is not exactly one FILE, or it cannot be read |

With status 2 there is one line on standard error and nothing on standard output.
"""

MENDED = """\
#!/usr/bin/env node
// Adds up a menu: node menu.js FILE. What it does with bad lines is in docs/menu.md.
'use strict';

const fs = require('node:fs');
const { parseLine } = require('./lib/lines.js');

function read(names) {
  if (names.length !== 1) {
    console.error('usage: node menu.js FILE');
    return null;
  }
  try {
    return fs.readFileSync(names[0], 'utf8');
  } catch (error) {
    console.error(`${names[0]}: ${error.code}`);
    return null;
  }
}

function main(names) {
  const text = read(names);
  if (text === null) return 2;
  let count = 0;
  let cents = 0;
  let bad = 0;
  text.split('\\n').forEach((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    const dish = parseLine(line);
    if (dish === null) {
      bad += 1;
      console.error(`${names[0]}:${index + 1}: bad line`);
      return;
    }
    count += 1;
    cents += dish.cents;
  });
  console.log(`${count} dishes, ${(cents / 100).toFixed(2)} together`);
  return bad > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
"""

MENDED_LINES = """\
'use strict';

// `NAME | PRICE`, the price with two decimals; null for anything else.
function parseLine(line) {
  const parts = line.split('|').map((part) => part.trim());
  if (parts.length !== 2 || parts[0] === '' || !/^[0-9]+\\.[0-9]{2}$/.test(parts[1])) return null;
  return { name: parts[0], cents: Number(parts[1].replace('.', '')) };
}

module.exports = { parseLine };
"""

BAD = (
    "{0} 4.50",
    "{0} | 4,50",
    " | 3.20",
    "{0} | 3.2",
    "{0} | 5.00 | new",
    "{0} | x",
    "{0} | -2.00",
)


@dataclass(frozen=True)
class Menu:
    """A file of dishes, and what the program should make of it."""

    text: str
    bad: tuple[int, ...]
    """Numbers of the bad lines."""
    printed: str

    def complaints(self, name: str) -> str:
        """What belongs on standard error."""
        return "".join(f"{name}:{number}: bad line\n" for number in self.bad)


def menu(d: Draw, dishes: Sequence[str], bad: int) -> Menu:
    """A menu with so many bad lines, a remark and a blank line."""
    lines, cents = [], 0
    wrong = d.some(range(len(dishes)), bad)
    for place, name in enumerate(dishes):
        if place in wrong:
            lines.append(d.pick(BAD).format(name))
            continue
        price = d.cents(2, 30)
        cents += price
        lines.append(f"{name} | {money(price)}" if d.chance(0.7) else f"  {name}|{money(price)} ")
    marked = [(line, place in wrong) for place, line in enumerate(lines)]
    marked.insert(d.integer(0, 2), (f"# from {d.word('towns')}", False))
    marked.insert(d.integer(2, 4), ("", False))
    numbers = tuple(number for number, (_, isbad) in enumerate(marked, 1) if isbad)
    text = "".join(f"{line}\n" for line, _ in marked)
    return Menu(text, numbers, f"{len(dishes) - bad} dishes, {money(cents)} together\n")
