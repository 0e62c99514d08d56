"""Makes the image of Docker workspaces: from the packaged Dockerfile, or without a registry."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from ise_env.errors import ConfigError, IseError, WorkspaceError
from ise_env.workspaces.docker.engine import Engine
from ise_env.workspaces.local import images
from ise_env.workspaces.local import root as roots

DOCKERFILE = Path(__file__).with_name("Dockerfile")

_BUILD_S = 1800.0
_Say = Callable[[str], None]


def packages() -> tuple[str, ...]:
    """Return the Debian packages that the Dockerfile names."""
    text = DOCKERFILE.read_text()
    block = text[text.index("--no-install-recommends") : text.index("${EXTRA}")]
    lines = [line for line in block.splitlines()[1:] if not line.strip().startswith("#")]
    return tuple(re.findall(r"[a-z][a-z0-9.+-]+", " ".join(lines)))


def build(
    name: str,
    *,
    extra: Sequence[str] = (),
    minimal: bool = False,
    registry: bool = True,
    suite: str = "",
    mirror: str = "",
    say: _Say = lambda line: None,
) -> str:
    """Make an image in the engine that `DOCKER_HOST` names.

    Args:
        name: Its tag.
        extra: Debian packages beside those of the Dockerfile.
        minimal: Leave out compilers, sound and pictures.
        registry: Try the Dockerfile first, whose base comes from a registry.
        suite: Release for debootstrap; the host's own when empty.
        mirror: Where debootstrap gets packages; what apt uses here when empty.
        say: Is given lines about what goes on.

    Returns:
        Its digest.

    Raises:
        ConfigError: Something that is needed is missing.
        WorkspaceError: The engine or debootstrap failed.
    """
    engine = Engine(_BUILD_S)
    try:
        engine.call("asking its version", "version")
        if not (registry and not minimal and _from_dockerfile(engine, name, extra, say)):
            _from_debootstrap(engine, name, extra, minimal, suite, mirror, say)
        return str(engine.call("looking at the image", "inspect_image", name)["Id"])
    finally:
        engine.close()


def _from_dockerfile(engine: Engine, name: str, extra: Sequence[str], say: _Say) -> bool:
    """Build as anybody would; False when the base image cannot be had."""
    base = re.findall(r"^ARG BASE=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)[0]
    try:
        engine.call("pulling the base image", "pull", base)
    except IseError as error:
        say(f"{base} cannot be pulled ({error}); making the same with debootstrap")
        return False
    with engine.speaking("building the image"):
        for event in engine.api.build(
            path=str(DOCKERFILE.parent),
            tag=name,
            buildargs={"EXTRA": " ".join(extra)},
            rm=True,
            forcerm=True,
            decode=True,
        ):
            if "error" in event:
                raise WorkspaceError(f"the image cannot be built: {event['error'].strip()}")
            say(str(event.get("stream", "")).rstrip())
    return True


def _parted(name: str) -> tuple[str, str]:
    """Return an image's repository and tag; a registry's name may hold a colon, too."""
    repository, _, tag = name.rpartition(":")
    return (repository, tag) if repository and "/" not in tag else (name, "latest")


def _from_debootstrap(
    engine: Engine,
    name: str,
    extra: Sequence[str],
    minimal: bool,
    suite: str,
    mirror: str,
    say: _Say,
) -> None:
    wanted = [*(() if minimal else packages()), *extra]
    work = f"docker-{re.sub(r'[^A-Za-z0-9_.]', '-', name)}"
    state = roots.state_directory()
    shutil.rmtree(state / "images" / work, ignore_errors=True)
    place = images.build(work, state, packages=wanted, suite=suite, mirror=mirror, say=say)
    try:
        say("importing it into the engine")
        command = ["tar", "-C", str(place), "--numeric-owner", "-c", "."]
        repository, tag = _parted(name)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as packing:
            engine.call(
                "importing the image",
                "import_image_from_stream",
                packing.stdout,
                repository=repository,
                tag=tag,
                changes=['CMD ["bash"]'],
            )
        if packing.returncode != 0:
            raise ConfigError(f"{place} could not be packed: tar ended with {packing.returncode}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
