"""Makes an image fit for workspaces: runs once inside a container of it, as root.

Given the program's sources below `/opt/ise` and the texts of `/etc` as JSON, it compiles the
sources with the Python that will run them, makes the mount points and the user, and prints
what the host wants to know. Standard library only; knows nothing of this package.
"""

from __future__ import annotations

import json
import os
import py_compile
import sys

PLACE = "/opt/ise"
UID = 1000
LEAST = (3, 11)
_BY_ENGINE = ("hostname", "hosts", "resolv.conf")


def main() -> None:
    """Do it all; exit status 1 with a reason when this Python is too old."""
    if sys.version_info[:2] < LEAST:
        sys.exit(f"its Python is {sys.version.split()[0]}, {LEAST[0]}.{LEAST[1]} is the least")
    for folder, _, names in os.walk(PLACE):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(".py"):
                mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(path, path + "c", path, doraise=True, invalidation_mode=mode)
                os.unlink(path)
    for folder in json.loads(sys.argv[1]):
        os.makedirs(folder, exist_ok=True)
    for folder in ("/run", "/tmp"):
        os.chmod(folder, 0o1777)  # an engine's tmpfs takes the mode of what it covers
    for name, text in json.loads(sys.argv[2]).items():
        if name not in _BY_ENGINE:
            _write(name, text)
    python = os.path.realpath(sys.executable)
    sys.stdout.write(json.dumps({"python": python, "version": sys.version.split()[0]}) + "\n")


def _write(name: str, text: str) -> None:
    path = f"/etc/{name}"
    if os.path.islink(path):
        os.unlink(path)
    if name in ("passwd", "group") and os.path.exists(path):
        with open(path) as file:
            lines = [line for line in file.read().splitlines() if line]
        fresh = text.splitlines()
        ours = {line.split(":")[0] for line in fresh} | {str(UID)}
        kept = [line for line in lines if not ours & {line.split(":")[0], line.split(":")[2]}]
        text = "\n".join([*kept, *fresh]) + "\n"
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
