"""What lies in the workspace of the kit migrate-settings, and what its oracle runs there."""

from __future__ import annotations

RULES = """\
# From conf.d to app.toml

The files of `conf.d/` are read in the order of their names; a later one overrides single keys of an
earlier one. `;` begins a comment, at the start of a line or after a blank. The old files stay where
they are until {person} has seen the new one.

In `app.toml` each section is a table of the same name, with the same keys, and the values become:

| in the ini | in the toml |
| --- | --- |
| `yes`, `on`, `no`, `off` | true or false |
| digits only | an integer |
| digits and `s`, `m` or `h` | seconds, as an integer |
| several words with commas between | an array of strings |
| a key ending in `password`, `token` or `secret` | the string `env:SECTION_KEY` in capitals |
| anything else | the string as it is |

So `[mail] token = abc` becomes `token = "env:MAIL_TOKEN"` in `[mail]`. Secrets are never copied
into any other file.
"""
PROGRAM = """\
import configparser, glob, json, re
old = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
old.optionxform = str
old.read(sorted(glob.glob("conf.d/*.ini"){order}))
UNITS = {{"s": 1, "m": 60, "h": 3600}}
def value(section, key, text):
    if re.search("{hide}", key):
        return json.dumps("env:" + f"{{section}}_{{key}}".upper())
    if text in ("yes", "on", "no", "off"):
        return "true" if text in ("yes", "on") else "false"
    if text.isdigit():
        return text
    if found := re.fullmatch(r"(\\d+)([smh])", text):
        return str(int(found[1]) * UNITS[found[2]])
    if "," in text:
        return json.dumps([part.strip() for part in text.split(",")])
    return json.dumps(text)
with open("app.toml", "w") as out:
    for section in old.sections():
        print(f"[{{section}}]", file=out)
        for key, text in old[section].items():
            print(key, "=", value(section, key, text), file=out)
        print(file=out)
print(sum(len(old[s]) for s in old.sections()), "keys in", len(old.sections()), "sections")
"""
