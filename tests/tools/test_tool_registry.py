"""Names, defaults, tools of one's own, tools of installed packages."""

import subprocess
import sys
import textwrap

import pytest

from ise_env.errors import ConfigError
from ise_env.tools import registry
from ise_env.tools.base import Outcome, Params, Tool, ToolContext, ToolResult


class Empty(Params):
    pass


@pytest.fixture
def own_registry(monkeypatch):
    """Registrations of one test do not outlive it."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


def test_default_set_is_in_the_reference_order():
    assert list(registry.resolve())[:5] == ["exec", "process", "read", "write", "edit"]
    assert registry.resolve(["core"]).keys() == set(registry.CORE)
    assert list(registry.resolve(["all"])) == list(registry.resolve())
    assert all(isinstance(each, Tool) for each in registry.resolve().values())


def test_resolve_keeps_the_given_order_and_drops_repeats():
    assert list(registry.resolve(["write", "exec", "write"])) == ["write", "exec"]
    assert registry.resolve([]) == {}


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown tool 'execc'; known: exec, process, read"):
        registry.resolve(["exec", "execc"])


def test_a_bare_string_is_not_a_list_of_letters():
    with pytest.raises(ConfigError, match="expected a list"):
        registry.resolve("exec")


@pytest.mark.usefixtures("own_registry")
def test_own_tool():
    @registry.tool("count_words", "Count words.")
    def count_words(p: Empty, context: ToolContext) -> ToolResult:
        return ToolResult("0", Outcome(status="ok"))

    assert registry.get("count_words") is count_words
    assert "count_words" in registry.names()
    assert "count_words" not in registry.resolve()


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("name", ["exec", "apply_patch", "mine"])
def test_a_taken_name_is_refused(name):
    @registry.tool("mine", "First.")
    def first(p: Empty, context: ToolContext) -> ToolResult: ...

    with pytest.raises(ConfigError, match="the name is taken"):

        @registry.tool(name, "Second.")
        def second(p: Empty, context: ToolContext) -> ToolResult: ...


@pytest.mark.usefixtures("own_registry")
def test_defining_the_same_function_again_replaces_it():
    def define():
        @registry.tool("again", "x")
        def again(p: Empty, context: ToolContext) -> ToolResult: ...

        return again

    assert define() is not define()


@pytest.mark.usefixtures("own_registry")
def test_the_first_parameter_must_be_annotated():
    with pytest.raises(ConfigError, match="annotate its first parameter"):

        @registry.tool("bare", "x")
        def bare(p, context) -> ToolResult: ...


PLUGIN = """
from ise_env.tools.base import Outcome, Params, ToolResult
from ise_env.tools.registry import tool

print("plugin imported")

class Nothing(Params):
    pass

@tool("greet", "Greet.")
def greet(p: Nothing, context) -> ToolResult:
    return ToolResult("hello", Outcome(status="ok"))

not_a_tool = 3
"""


def in_a_process_with_plugin(tmp_path, code):
    """Run code where a distribution with entry points is installed."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ise_env.tools]\ngreet = plugin:greet\nodd = plugin:not_a_tool\n"
        "gone = plugin:missing\nalias = plugin:greet\n"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_entry_points_are_loaded_only_when_asked_for(tmp_path):
    done = in_a_process_with_plugin(
        tmp_path,
        """
        from ise_env.errors import ConfigError
        from ise_env.tools import registry
        print("greet" in registry.names())
        registry.resolve()
        print(registry.get("greet").name)
        for name in ("odd", "gone", "alias"):
            try:
                registry.get(name)
            except ConfigError as error:
                print(error)
        """,
    )
    lines = done.stdout.splitlines()
    assert lines[:3] == ["True", "plugin imported", "greet"]
    assert "is a int, not a Tool" in lines[3]
    assert "cannot be loaded" in lines[4]
    assert "is called 'greet'" in lines[5]


def test_importing_the_registry_imports_no_tool():
    code = (
        "import sys, ise_env.tools.registry as r; r.names(); "
        "print('ise_env.tools.exec' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
