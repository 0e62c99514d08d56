"""The one registry of tools: built-in, from installed packages, or defined on the spot.

Nothing is imported before it is asked for. Packages offer tools of their own under the entry
point group `ise_env.tools`; an entry point's name is the tool's name, its value the `Tool`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar, get_type_hints

from ise_env.errors import ConfigError
from ise_env.tools.base import Params, Tool, ToolContext, ToolResult, nothing_missing

CORE: tuple[str, ...] = ("exec", "process", "read", "write", "edit")
"""What every episode can use; `core` in a list of names."""

DEFAULT: tuple[str, ...] = (
    *CORE,
    *("web_search", "web_fetch"),
    *("memory_search", "memory_get"),
    *("sessions_list", "sessions_history", "sessions_send", "sessions_spawn", "session_status"),
    *("subagents", "agents_list", "tts"),
)
"""The reference set; `all` in a list of names. Offered when nothing else is asked for, but for
those that lack something in an episode (`Tool.missing`)."""

OPTIONAL = ("apply_patch", "cron", "message")
"""Built in, and only there when they are asked for by name."""

_BUILTIN: dict[str, str] = {name: f"ise_env.tools.{name}" for name in (*DEFAULT, *OPTIONAL)}
"""Name to the module that defines it."""

_SETS = {"core": CORE, "all": DEFAULT}

_GROUP = "ise_env.tools"

_registered: dict[str, Tool[Any]] = {}

P = TypeVar("P", bound=Params)


def tool(
    name: str,
    description: str,
    *,
    needs: str = "",
    missing: Callable[[ToolContext], str] = nothing_missing,
) -> Callable[[Callable[[P, ToolContext], ToolResult]], Tool[P]]:
    """Register a function as a tool; the name becomes the `Tool` itself.

    Args:
        name: What the agent calls it.
        description: What the agent reads about it.
        needs: What it needs beside the workspace, for people.
        missing: Says what of that an episode lacks; empty if it can be used.

    Example:
        >>> from ise_env.tools.base import Outcome
        >>> class Greeting(Params):
        ...     who: str
        >>> @tool("greet", "Say hello to somebody.")
        ... def greet(p: Greeting, context: ToolContext) -> ToolResult:
        ...     return ToolResult(f"Hello, {p.who}.", Outcome(status="ok"))
        >>> greet.schema()["function"]["parameters"]["required"]
        ['who']

    Raises:
        ConfigError: The name is taken, or the first parameter is no `Params`.
    """

    def register(run: Callable[[P, ToolContext], ToolResult]) -> Tool[P]:
        params = _params_of(name, run)
        made = Tool(name, description, params, run, needs=needs, missing=missing)
        holder = _registered.get(name)
        # The same function again is a reloaded module or a notebook cell that was run twice.
        if (holder is not None and _origin(holder) != _origin(made)) or (
            name in _BUILTIN and made.run.__module__ != _BUILTIN[name]
        ):
            raise ConfigError(f"tool {name!r}: the name is taken; choose another")
        _registered[name] = made
        return made

    return register


def get(name: str) -> Tool[Any]:
    """Return one tool.

    Raises:
        ConfigError: There is none of that name, or the package that offers it is broken.
    """
    if name not in _registered and name in _BUILTIN:
        importlib.import_module(_BUILTIN[name])
    if name in _registered:
        return _registered[name]
    for point in _entry_points():
        if point.name == name:
            return _load(point)
    raise ConfigError(f"unknown tool {name!r}; known: {', '.join(names())}")


def names() -> tuple[str, ...]:
    """Return every known name, built-in ones first; imports none of them."""
    found = [*_BUILTIN, *_registered, *(point.name for point in _entry_points())]
    return tuple(dict.fromkeys(found))


def resolve(names: Iterable[str] | None = None) -> dict[str, Tool[Any]]:
    """Map names to tools, in the given order.

    Args:
        names: None is the default set; `core` and `all` stand for the names of those sets; a
            name given twice counts once.

    Raises:
        ConfigError: A name is unknown, or `names` is a bare string.
    """
    if isinstance(names, str):
        raise ConfigError(f"tools: expected a list of names, got the text {names!r}")
    asked = ["all"] if names is None else names
    return {each: get(each) for name in asked for each in _SETS.get(name, (name,))}


def _params_of(name: str, run: Callable[..., ToolResult]) -> type[Any]:
    hints = get_type_hints(run)
    first = next((hint for key, hint in hints.items() if key != "return"), None)
    if not (isinstance(first, type) and issubclass(first, Params)):
        raise ConfigError(f"tool {name!r}: annotate its first parameter with a `Params` subclass")
    return first


def _origin(made: Tool[Any]) -> tuple[str, str]:
    return made.run.__module__, made.run.__qualname__


def _entry_points() -> list[EntryPoint]:
    return sorted(entry_points(group=_GROUP), key=lambda point: point.name)


def _load(point: EntryPoint) -> Tool[Any]:
    where = f"tool {point.name!r} (entry point {point.value!r})"
    try:
        loaded = point.load()
    except Exception as error:
        raise ConfigError(f"{where}: cannot be loaded: {error}") from error
    if not isinstance(loaded, Tool):
        raise ConfigError(f"{where}: is a {type(loaded).__name__}, not a Tool")
    if loaded.name != point.name:
        raise ConfigError(f"{where}: the tool it gives is called {loaded.name!r}")
    _registered[point.name] = loaded
    return loaded
