"""Finding kits: ours by their place in the tree, users' own by entry points.

`ise_env/tasks/<domain>/<kit>.py` holds the kit `<domain>/<kit>`, with `-` for `_`. Names are
known without importing any of them; a kit's module is imported when it is asked for. An
entry point of the group `ise_env.kits` is named like its kit and points at the class.
"""

from __future__ import annotations

import importlib
import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError
from ise_env.tasks.kit import Kit

GROUP = "ise_env.kits"

AnyKit = Kit[Any]


def names() -> tuple[str, ...]:
    """Names of every kit that is installed, sorted."""
    return tuple(sorted({*_own(), *_foreign()}))


def get(name: str) -> AnyKit:
    """Return a kit.

    Raises:
        ConfigError: There is none of that name, or it is not what its name says.
    """
    if name in _own():
        return _load_own(name)
    if name in _foreign():
        return _load_foreign(name)
    near = get_close_matches(name, names(), n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "`ise validate --no-tricks --seeds 1` tries them all by name"
    )
    raise ConfigError(f"unknown kit {name!r}: {hint}")


def all_kits() -> tuple[AnyKit, ...]:
    """Every kit that is installed, by name."""
    return tuple(get(name) for name in names())


@cache
def _own() -> dict[str, str]:
    """Map kit names to module names by looking at the tree only."""
    found = {}
    here = Path(__file__).parent
    for domain in pkgutil.iter_modules([str(here)]):
        if not domain.ispkg:
            continue
        for module in pkgutil.iter_modules([str(here / domain.name)]):
            if not module.ispkg and not module.name.startswith("_"):
                name = f"{domain.name}/{module.name}".replace("_", "-")
                found[name] = f"ise_env.tasks.{domain.name}.{module.name}"
    return found


@cache
def _foreign() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def _load_own(name: str) -> AnyKit:
    module = importlib.import_module(_own()[name])
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Kit)
        and value.__module__ == module.__name__
        and not isabstract(value)
    ]
    if len(classes) != 1:
        raise ConfigError(f"{module.__name__}: holds {len(classes)} kits, not one")
    return _checked(name, classes[0], module.__name__)


@cache
def _load_foreign(name: str) -> AnyKit:
    point = _foreign()[name]
    try:
        loaded = point.load()
    except Exception as error:
        raise ConfigError(f"kit {name!r}: {point.value} cannot be loaded: {error}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Kit)):
        raise ConfigError(f"kit {name!r}: {point.value} is no subclass of Kit")
    return _checked(name, loaded, point.value)


def _checked(name: str, kind: type[AnyKit], where: str) -> AnyKit:
    if getattr(kind, "name", None) != name:
        raise ConfigError(
            f"{where}: its kit calls itself {getattr(kind, 'name', None)!r}, not {name!r}"
        )
    return kind()
