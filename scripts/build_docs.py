"""Write the pages of the documentation that follow from the code.

    python scripts/build_docs.py           # writes docs/tasks.md, docs/commands.md, docs/record.md
    python scripts/build_docs.py --check   # says what is not current, exit status 1

The pages are committed, so that they can be read where the code is read.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ise_env.intents.pools import load_pools
from ise_env.intents.splits import held_out_kits
from ise_env.rollout.cli import app
from ise_env.tasks.kit import Kit, SubGoal
from ise_env.tasks.registry import get, names
from ise_env.traces.record import Trajectory

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write or check the pages."""
    pages = {"tasks.md": tasks(), "commands.md": commands(), "record.md": record()}
    stale = [name for name, text in pages.items() if _held(DOCS / name) != text]
    if sys.argv[1:] == ["--check"]:
        if stale:
            sys.exit(f"not current: {', '.join(stale)}; run python scripts/build_docs.py")
        return
    for name in stale:
        (DOCS / name).write_text(pages[name], encoding="utf-8")
        print(f"docs/{name}")


def _held(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


# -- tasks -------------------------------------------------------------------------------------


def tasks() -> str:
    """One table a domain: every kit with what it uses and what is difficult about it."""
    kits = [get(name) for name in names() if type(get(name)).__module__.startswith("ise_env.")]
    rows: dict[str, list[str]] = defaultdict(list)
    totals = {"obstacle": 0, "chain": 0, "forbidden": 0, "services": 0}
    for kit in kits:
        facts = _facts(kit)
        for name in totals:
            totals[name] += bool(facts[name])
        rows[kit.name.partition("/")[0]].append(_kit_row(kit, facts))
    lines = [
        "# Tasks",
        "",
        "Every sampled task is a *kit*: a seeded world, sub-goals, checks in code, a solution and "
        "plausible wrong ones. This page is made from the kits (`scripts/build_docs.py`).",
        "",
        f"{len(kits)} kits in {len(rows)} domains. {totals['obstacle']} meet an authentic "
        f"obstacle, {totals['chain']} chain (a later step works on the result of an earlier one), "
        f"{totals['forbidden']} forbid something that must not happen, {totals['services']} run "
        f"services. {len(held_out_kits())} are held out of training intents.",
        "",
        "Checks are named by kind; `!` marks a forbidden event. A kit that needs a program which "
        "the workspace lacks is left out of sampling, and refused by name.",
    ]
    for domain in sorted(rows):
        lines += [
            "",
            f"## {domain}",
            "",
            "| kit | what the person wants | tools | services, programs | checks | obstacle |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows[domain],
        ]
    return "\n".join(lines) + "\n"


def _facts(kit: Kit[Any]) -> dict[str, Any]:
    """What only a drawn instance shows."""
    persona = load_pools().personas[0].persona()
    params = kit.draw(np.random.default_rng(0), persona, "medium")
    checks = kit.checks(params)
    kinds = {check.kind + ("!" if check.forbidden else "") for check in checks}
    services = {type(s).__name__.removesuffix("Seed").lower() for s in kit.seed(params).services}
    return {
        "obstacle": kit.obstacle,
        "chain": _chains(kit.subgoals(params)),
        "forbidden": any(check.forbidden for check in checks),
        "services": sorted(services),
        "checks": sorted(kinds),
        "steps": len(kit.subgoals(params)),
    }


def _chains(goals: tuple[SubGoal, ...]) -> bool:
    """Whether a later request names what an earlier one leaves."""
    return any(
        artifact in later.request
        for number, later in enumerate(goals)
        for earlier in goals[:number]
        for artifact in earlier.artifacts
    )


def _kit_row(kit: Kit[Any], facts: dict[str, Any]) -> str:
    marks = [f"{facts['steps']} step{'s' if facts['steps'] > 1 else ''}"]
    marks += ["chains"] if facts["chain"] else []
    marks += ["held out"] if kit.name in held_out_kits() else []
    needs = ", ".join([*facts["services"], *kit.requires])
    cells = [
        f"`{kit.name.partition('/')[2]}` v{kit.version}",
        f"{_cell(kit.description)} ({', '.join(marks)})",
        ", ".join(kit.tools),
        needs,
        ", ".join(facts["checks"]),
        _cell(kit.obstacle),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# -- commands ----------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its options, from the command line's own help."""
    root = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "This page is made from the command line's own help (`scripts/build_docs.py`). Errors are "
        "one line on standard error; the exit status is 0 done, 1 failed, 2 something given "
        "cannot be used, 3 complete but with invalid episodes.",
    ]
    for path, command in _walk(root, ()):
        lines += ["", f"## ise {' '.join(path)}", "", _help(command), *_options(command)]
    return "\n".join(lines) + "\n"


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name in sorted(children):
        yield from _walk(children[name], (*path, name))


def _help(command: Any) -> str:
    """The help text; what follows `Example:` becomes a block."""
    out: list[str] = []
    block: list[str] = []
    for part in (command.help or "").strip().split("\n\n"):
        if part.startswith("    "):
            block.append("\n".join(line[4:] for line in part.split("\n")))
            continue
        if block:
            out.append("```text\n" + "\n".join(block) + "\n```")
            block = []
        out.append(part)
    if block:
        out.append("```text\n" + "\n".join(block) + "\n```")
    return "\n\n".join(out)


def _options(command: Any) -> list[str]:
    rows = []
    for param in command.params:
        if param.name in ("help", "install_completion", "show_completion"):
            continue
        is_argument = param.param_type_name == "argument"
        flags = [*param.opts, *param.secondary_opts]
        name = str(param.metavar or param.name.upper()) if is_argument else ", ".join(flags)
        default = param.default
        shown = "" if default in (None, "", (), []) or callable(default) else f"`{default}`"
        if getattr(param, "is_flag", False):
            shown = "" if default in (None, False) else f"`{flags[0]}`"
        rows.append(f"| `{name}` | {_cell(getattr(param, 'help', None) or '')} | {shown} |")
    if not rows:
        return []
    return ["", "| option | meaning | default |", "| --- | --- | --- |", *rows]


# -- the record --------------------------------------------------------------------------------


def record() -> str:
    """The fields of a trajectory, from the published JSON Schema."""
    schema = Trajectory.model_json_schema()
    lines = [
        "# The record",
        "",
        "One episode is one JSON object, one line of a shard. `ise schema` prints the JSON Schema "
        "that this page is made from (`scripts/build_docs.py`). Messages keep the OpenAI wire "
        "shape; everything of ours about a message is in its key `x`, which exporters strip.",
        "",
        "## Trajectory",
        "",
        *_fields(schema),
    ]
    for name, part in sorted(schema["$defs"].items()):
        if part.get("properties"):
            lines += ["", f"## {name}", "", _first_line(part.get("description", ""))]
            lines += ["", *_fields(part)]
    return "\n".join(lines) + "\n"


def _fields(schema: dict[str, Any]) -> list[str]:
    rows = ["| field | type | meaning |", "| --- | --- | --- |"]
    for name, field in schema["properties"].items():
        meaning = _cell(field.get("description", ""))
        rows.append(f"| `{name}` | {_type(field)} | {meaning} |")
    return rows


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return "any JSON" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}" if field.get("items") else "list"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"object of {_type(field['additionalProperties'])}"
    return str(field.get("type", "any JSON"))


def _first_line(text: str) -> str:
    return text.strip().split("\n\n")[0]


if __name__ == "__main__":
    main()
