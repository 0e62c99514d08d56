"""Images of workspaces: found in the engine, checked, and made ready once.

Any image with a Python of 3.11 or later will do. A ready image is that image and one small
layer: the program inside, compiled by the image's own Python, mount points, the user. It is
made at first use and found again by a digest of everything that went into it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces.docker import labels
from ise_env.workspaces.docker.engine import Engine
from ise_env.workspaces.docker.install import PLACE
from ise_env.workspaces.docker.streams import Attached
from ise_env.workspaces.local import root as roots

DEFAULT = "ise-env-workspace"
"""The image of `--workspace docker`; `ise image build --backend docker` makes it."""

READY = "ise-env/ready"
LABEL = "ise-env.ready"

_PACKAGE = Path(__file__).parent.parent.parent
_KEEPER_NEEDS = (
    *("errors.py", "workspaces/protocol.py", "workspaces/tree.py", "workspaces/docker/keeper.py"),
    *("workspaces/local/owners.py", "workspaces/local/templates.py"),
)
_PACKAGES = ("", "workspaces", "workspaces/docker", "workspaces/local")
_BOOT = f'import sys\nsys.path.insert(0, "{PLACE}")\nimport {{0}}\n{{0}}.main()\n'
_DIRECTORIES = ("/workspace", "/home/agent", "/opt/ise/link", "/places", "/templates", "/run")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_INSTALL_S = 120.0


@dataclass(frozen=True)
class Ready:
    """An image that containers can be started from."""

    tag: str
    python: str
    """Path of the interpreter inside."""
    environment: Mapping[str, str]
    """What commands get besides what the caller adds."""
    volumes: tuple[str, ...]
    """Places that the image wants to be volumes; a workspace sees nothing there."""
    digest: str
    """Of the image it was made from, for the trajectory."""

    def command(self, program: str, link: str) -> list[str]:
        """Return the command line of one of our programs."""
        return [self.python, *("-I", "-S", "-E", "-X", "utf8"), f"{PLACE}/{program}.pyc", link]


def ready(engine: Engine, name: str) -> Ready:
    """Find an image, and make it ready unless that was done before.

    Raises:
        ConfigError: There is no such image, or it cannot run here, or has no Python.
        WorkspaceError: The engine failed.
    """
    base = _find(engine, name)
    files = dict(_program())
    summary = hashlib.sha256(base["Id"].encode())
    for path, content in sorted(files.items()):
        summary.update(path.encode() + content)
    summary.update(repr((roots.ETC, _DIRECTORIES, _installer())).encode())
    tag = f"{READY}:{summary.hexdigest()[:16]}"
    found = engine.call("looking for images", "images", tag)
    if not found:
        _make(engine, base, name, tag, files)
    made = engine.call("looking at an image", "inspect_image", tag)
    facts = json.loads(made["Config"]["Labels"][LABEL])
    volumes = tuple(base["Config"].get("Volumes") or ())
    environment = _environment(facts["python"], base["Config"].get("Env") or ())
    return Ready(tag, facts["python"], environment, volumes, f"{name}@{base['Id']}")


def _environment(python: str, of_image: Iterable[str]) -> dict[str, str]:
    """Add what the image sets to what every workspace has; its programs come first."""
    environment = dict(roots.environment(python))
    usual = environment["PATH"].split(":")
    environment.update(pair.partition("=")[::2] for pair in of_image)
    places = [usual[0], *environment["PATH"].split(":"), *usual[1:]]
    return {**environment, "PATH": ":".join(dict.fromkeys(places))}


def _find(engine: Engine, name: str) -> dict[str, Any]:
    image: dict[str, Any] = engine.call("looking for the image", "inspect_image", name)
    arch = engine.call("asking its version", "version")["Arch"]
    arch = _ARCHITECTURES.get(arch, arch)
    wanted = _ARCHITECTURES.get(image["Architecture"], image["Architecture"])
    if wanted != arch or image.get("Os", "linux") != "linux":
        raise ConfigError(
            f"image {name} is for {image.get('Os', 'linux')}/{wanted}, the Docker engine runs on "
            f"linux/{arch}: pull or build it for that"
        )
    return image


def _program() -> Iterable[tuple[str, bytes]]:
    """Yield what goes below `/opt/ise`: the executor, the keeper, and what they import."""
    yield "boot.py", _BOOT.format("inside.executor").encode()
    yield "keep.py", _BOOT.format("ise_env.workspaces.docker.keeper").encode()
    for source in sorted((_PACKAGE / "workspaces/inside").glob("*.py")):
        yield f"inside/{source.name}", source.read_bytes()
        yield f"ise_env/workspaces/inside/{source.name}", source.read_bytes()
    for package in _PACKAGES:
        yield f"ise_env/{package}/__init__.py".replace("//", "/"), b""
    for name in _KEEPER_NEEDS:
        yield f"ise_env/{name}", (_PACKAGE / name).read_bytes()


def _installer() -> str:
    return Path(__file__).with_name("install.py").read_text()


def _make(
    engine: Engine, base: dict[str, Any], name: str, tag: str, files: dict[str, bytes]
) -> None:
    """Run the installer in a container of the image, and keep what it has left."""
    command = ["python3", "-I", "-c", _installer(), json.dumps(_DIRECTORIES), json.dumps(roots.ETC)]
    made = engine.call(
        "making an image ready",
        "create_container",
        base["Id"],
        command,
        entrypoint=[],
        user="0:0",
        working_dir="/",
        healthcheck={"test": ["NONE"]},
        labels=labels.of("install"),
        host_config=engine.api.create_host_config(
            network_mode="none", log_config={"Type": "json-file"}
        ),
    )["Id"]
    try:
        engine.call("making an image ready", "put_archive", made, "/", _tar(files))
        engine.call("making an image ready", "start", made)
        facts = _outcome(engine, made, name)
        repository, _, version = tag.partition(":")
        engine.call(
            "making an image ready",
            "commit",
            made,
            repository=repository,
            tag=version,
            conf={"Labels": {LABEL: json.dumps(facts)}, "Env": [], "Cmd": [], "Entrypoint": []},
        )
    except WorkspaceError as error:
        if "executable file not found" in str(error):
            raise ConfigError(f"image {name} has no python3 on its PATH: add one") from error
        raise
    finally:
        engine.call("removing a container", "remove_container", made, force=True, v=True)


def _outcome(engine: Engine, container: str, name: str) -> dict[str, str]:
    deadline = time.monotonic() + _INSTALL_S
    status = engine.call("making an image ready", "wait", container, timeout=_INSTALL_S)
    text = engine.call("making an image ready", "logs", container).decode("utf-8", "replace")
    if status["StatusCode"] != 0 or time.monotonic() > deadline:
        last = (text.strip().splitlines() or ["no output"])[-1]
        raise ConfigError(f"image {name} cannot be made ready for workspaces: {last}")
    facts: dict[str, str] = json.loads(text.strip().splitlines()[-1])
    return facts


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{PLACE[1:]}/{name}")
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def attach(engine: Engine, container: str) -> Attached:
    """Attach to a container's streams, before it is started."""
    streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    return Attached(engine.call("attaching to a container", "attach_socket", container, streams))
