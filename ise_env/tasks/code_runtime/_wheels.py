"""Small wheels for a local folder, the same bytes every time.

Format after the packaging specification "Binary distribution format" (wheel 1.0).
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Sequence

PINNED = (2024, 5, 1, 9, 0, 0)

SOURCES = {
    "tabulon": {
        "1": '"""Tables as text."""\n\nfrom cellwidth import width\n\n\n'
        "def table(rows):\n    sizes = [max(map(width, column)) for column in zip(*rows)]\n"
        '    return "\\n".join(\n        " | ".join(cell.ljust(n) for cell, n in zip(row, sizes))'
        ".rstrip() for row in rows\n    )\n",
        "2": '"""Tables as text; since 2.0 rows are added one by one."""\n\n\nclass Table:\n'
        "    def __init__(self):\n        self.rows = []\n\n    def add(self, *cells):\n"
        "        self.rows.append(cells)\n",
    },
    "cellwidth": {
        "": '"""How wide a cell is printed."""\n\n\ndef width(text):\n    return len(text)\n'
    },
    "centform": {
        "": '"""Amounts in cents, for people."""\n\n\ndef euros(cents):\n'
        '    return f"{cents // 100}.{cents % 100:02d}"\n'
    },
    "roundhalf": {
        "": '"""Rounding as at school."""\n\n\ndef half_up(value, step):\n'
        "    return (value + step // 2) // step * step\n"
    },
}


def wheel(name: str, version: str, requires: Sequence[str] = ()) -> tuple[str, bytes]:
    """File name and content of a wheel of one of `SOURCES`."""
    texts = SOURCES[name]
    source = texts.get(version.split(".")[0], texts.get("", texts.get("1", "")))
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    members = {
        f"{name}.py": f'{source}\n\n__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    lines = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, PINNED), text)
    return f"{name}-{version}-py3-none-any.whl", out.getvalue()


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
