"""What a command line is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ise_env.tools.command import families, hides_exit_code, shows_files


def heads(command):
    return [(each.program, each.verb, sorted(each.operands)) for each in families(command)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls -la /data/x/", [("ls", "", ["x"])]),
        ("cd app && git commit -m 'first try'", [("git", "commit", [])]),
        ("git -C repo -c user.name=A push origin main", [("git", "push", ["main", "origin"])]),
        ("pip3 install requests", [("pip", "install", ["requests"])]),
        ("python3 -m pip install requests", [("pip", "install", ["requests"])]),
        ("PYTHONPATH=. python3.11 -m pytest -q tests/a.py", [("pytest", "", ["a.py"])]),
        ("python3 tools/load.py in.csv", [("python", "load.py", ["in.csv"])]),
        ("python3 -c 'print(1)'", [("python", "", [])]),
        ("sudo timeout 5 make test 2>&1 | tail -5", [("make", "", ["test"]), ("tail", "", [])]),
        ("cat < in.txt > out.txt", [("cat", "", [])]),
        ("grep -n x a.log || echo none", [("grep", "", ["a.log", "x"])]),
        ("echo 'unclosed", []),
        ("", []),
        ("   \n ", []),
        ("export A=1; ./run.sh", [("run.sh", "", [])]),
    ],
)
def test_families(command, expected):
    assert heads(command) == expected


@pytest.mark.parametrize("command", ["a | head", "a || true", "a; b", "a & b", "a\nb", "'open"])
def test_lines_that_can_hide_an_exit_code(command):
    assert hides_exit_code(command)


@pytest.mark.parametrize(
    "command", ["a", "a && b", "a > out 2>&1", "a 'x | y'", 'a "b; c"', "a\n", "a &> log"]
)
def test_lines_that_cannot(command):
    assert not hides_exit_code(command)


def test_showing_files():
    assert shows_files("cd logs && tail -5 app.log")
    assert shows_files("grep -i error x | head")
    assert not shows_files("python3 app.py | tail -5")
    assert not shows_files("")


@given(st.text(max_size=60))
def test_any_text_is_a_command(command):
    families(command)
    hides_exit_code(command)
    shows_files(command)
