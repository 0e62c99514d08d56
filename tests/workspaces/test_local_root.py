from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces import make_backend
from ise_env.workspaces.local import images, root, seccomp
from ise_env.workspaces.local.backend import LocalBackend
from ise_env.workspaces.protocol import Completed, Workspace


def test_root_of_this_host_is_the_same_each_time() -> None:
    state = root.state_directory()
    first, second = root.host_root(state), root.host_root(state)
    assert first == second
    assert first.binds[0][1] == "/"
    assert all(host != "/" for host, _ in first.binds)


def test_etc_says_nothing_of_this_machine(workspace: Workspace) -> None:
    for name, text in root.ETC.items():
        assert workspace.read(f"/etc/{name}") == text.encode()
    for name in ("shadow", "machine-id", "ssh", "sudoers", "fstab"):
        assert name not in workspace.listdir("/etc")
    assert set(workspace.listdir("/")) <= {
        *("bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt"),
        *("proc", "root", "run", "sbin", "srv", "tmp", "usr", "var", "workspace"),
    }
    assert workspace.listdir("/usr/local/bin") == {}


def test_interpreter_of_this_process_where_the_host_has_none(
    probe: object, weak: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.path.realpath(sys.base_prefix) in ("/usr", "/usr/local"):
        pytest.skip("this Python is the distribution's")
    monkeypatch.setattr(root, "_distribution_python", lambda: None)
    made = LocalBackend()
    try:
        workspace = made.create(allow_degraded=weak)
        result = workspace.run("command -v python3; python3 -c 'import sys; print(sys.prefix)'")
        assert isinstance(result, Completed)
        assert result.output == b"/opt/python/bin/python3\n/opt/python\n"
    finally:
        made.close()


def test_state_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISE_STATE_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(WorkspaceError, match="ISE_STATE_DIR"):
        LocalBackend().create()


def test_missing_bubblewrap_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    made = LocalBackend()
    found = made.probe()
    assert not found.usable
    assert "apt-get install bubblewrap" in found["bubblewrap"].mend
    with pytest.raises(WorkspaceError, match="apt-get install bubblewrap"):
        made.create()


def test_unknown_backend_and_image() -> None:
    with pytest.raises(ConfigError, match="no workspace backend called 'cloud'"):
        make_backend("cloud")
    with pytest.raises(ConfigError, match="no workspace image 'nowhere'"):
        make_backend("local:nowhere").create()


def test_image_names_and_what_is_no_image(tmp_path: Path) -> None:
    for name in ("", "../up", "-x", ".hidden", "a/b"):
        with pytest.raises(ConfigError, match="cannot be called"):
            images.build(name, tmp_path)
    (tmp_path / "images" / "taken").mkdir(parents=True)
    with pytest.raises(ConfigError, match="already"):
        images.build("taken", tmp_path)
    (tmp_path / "usr").mkdir()
    with pytest.raises(ConfigError, match="lacks /workspace"):
        images.find(str(tmp_path), tmp_path)
    with pytest.raises(ConfigError, match="no Python"):
        images.prepare(tmp_path)


def test_preparing_a_root_keeps_its_users(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").symlink_to("python3.12")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/false\n")
    (tmp_path / "etc/resolv.conf").symlink_to("/run/elsewhere")
    images.prepare(tmp_path)
    images.prepare(tmp_path)
    names = [line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    assert names == ["root", "www", "agent", "nobody"]
    assert not (tmp_path / "etc/resolv.conf").is_symlink()
    assert images.find(str(tmp_path), tmp_path) == tmp_path
    assert images.python(tmp_path) == "/usr/bin/python3.12"


@pytest.mark.full
def test_build_an_image_and_work_on_it(
    tmp_path_factory: pytest.TempPathFactory, weak: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("needs debootstrap, root and a Debian mirror")
    state = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("ISE_STATE_DIR", str(state))
    images.build("small", state)
    made = LocalBackend("small")
    try:
        workspace = made.create(allow_degraded=weak)
        result = workspace.run("git init -q . && python3 -m pytest --version && id -un")
        assert isinstance(result, Completed)
        assert result.exit_code == 0, result.output
        assert workspace.freeze().run(["ls", "-A"]).output == b".git\n"
    finally:
        made.close()


# --- the filter -------------------------------------------------------------------------------


def test_no_call_is_both_allowed_and_refused() -> None:
    allowed = [name for names in seccomp.allowed().values() for name in names]
    refused = [name for names in seccomp.refused().values() for name in names]
    assert len(set(allowed)) == len(allowed)
    assert not set(allowed) & set(refused)
    for name in ("clone", "clone3", "socket", "socketpair", "ioctl", "personality"):
        assert name not in allowed + refused  # seccomp.py looks into their arguments


def test_documentation_has_the_table_of_refused_calls() -> None:
    page = Path(__file__).parents[2] / "docs" / "isolation.md"
    text = page.read_text()
    for reason, names in seccomp.refused().items():
        row = next((line for line in text.splitlines() if line.startswith(f"| {reason} |")), "")
        assert set(re.findall(r"`([a-z0-9_]+)`", row)) >= set(names), reason
