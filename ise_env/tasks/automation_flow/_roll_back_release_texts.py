"""What lies in the workspace of the kit roll-back-release, and what its oracle runs there."""

from __future__ import annotations

APP = '''\
"""Release {version}. `app.py check` says whether it can work with the data."""

import json
import sys
from pathlib import Path

SCHEMAS = {schemas}
store = json.loads((Path(__file__).resolve().parents[2] / "shared" / "store.json").read_text())
if store["schema"] not in SCHEMAS:
    sys.exit(f"check failed: schema {{store['schema']}} is unknown to release {version}")
broken = {broken}
if broken:
    sys.exit(f"check failed: {{broken}}")
print("release {version}: ok,", len(store["orders"]), "orders")
'''
MIGRATE = '''\
"""Brings shared/store.json to schema {new}: amounts become whole units."""

import json
from pathlib import Path

path = Path(__file__).resolve().parents[2] / "shared" / "store.json"
store = json.loads(path.read_text())
store["schema"] = {new}
for order in store["orders"]:
    order["amount"] = order.pop("cents") // 100
path.write_text(json.dumps(store) + "\\n")
'''
DEPLOY = """\
#!/usr/bin/env bash
# Puts a release live: ./deploy.sh VERSION. Exits with 3 when its check fails; see RUNBOOK.md.
set -eu
cd "$(dirname "$0")"
version=$1
[ -d "releases/$version" ] || { echo "no such release: $version" >&2; exit 2; }
cp shared/store.json "backups/store.$version.json"
[ -e "releases/$version/migrate.py" ] && python3 "releases/$version/migrate.py"
ln -sfn "releases/$version" current
echo "$version deployed" >> deploy.log
python3 current/app.py check || exit 3
echo "$version is live"
"""
RUNBOOK = """\
# Deployments

`current` is a link to the release that is live. `./deploy.sh VERSION` keeps a copy of the data as
`backups/store.VERSION.json`, migrates the data, moves the link, and checks the release.

When the check of a release fails, it is rolled back:

1. `shared/store.json` becomes what it was before: the copy that the deployment has made.
2. `current` points to the newest release whose last line in `releases.log` says `good`. A release
   that was live and is called `bad` there is no way back, even if it was the one before.
3. `python3 current/app.py check` must say ok.
4. A line `VERSION rolled back to OTHER` is added at the end of `releases.log`.

Nothing in `releases/` and `backups/` is changed or deleted, the failed release least of all:
{person} examines it.
"""
