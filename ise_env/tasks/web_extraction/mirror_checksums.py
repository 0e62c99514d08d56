"""Download files from mirrors by a list of checksums; one mirror sends something else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ise_env.rewards.checks import CsvRows, Hash, Said
from ise_env.rewards.spec import Check
from ise_env.services.spec import Page, SiteSeed
from ise_env.tasks.draw import Draw
from ise_env.tasks.kit import Fact, Seed, Solution, SubGoal, WrongSolution
from ise_env.tasks.seeding import csv_text, files, sha256, untouched
from ise_env.tasks.steps import found, python, read, sh
from ise_env.tasks.surroundings import surroundings
from ise_env.tasks.web_extraction._sites import SiteKit, SiteParams, document, links

PROGRAM = """\
import csv, hashlib, pathlib, urllib.error, urllib.request

mirrors = [line.strip() for line in open("mirrors.txt") if line.startswith("http")]
wanted = [line.split() for line in open("SHA256SUMS")]
pathlib.Path("data").mkdir(exist_ok=True)
rows = []
for digest, name in wanted:
    for mirror in mirrors:
        try:
            content = urllib.request.urlopen(mirror + name).read()
        except urllib.error.HTTPError as error:
            print(name, mirror, error.code)
            continue
        if TEST:
            pathlib.Path("data", name).write_bytes(content)
            rows.append((name, mirror.split("/")[2]))
            break
        print(name, mirror, "wrong checksum")
with open("sources.csv", "w", newline="") as out:
    csv.writer(out, lineterminator="\\n").writerows([("file", "mirror"), *rows])
print(len(rows), "of", len(wanted), "downloaded")
"""


@dataclass(frozen=True)
class World:
    """The mirrors and what they should send."""

    contents: dict[str, str]
    sites: tuple[SiteSeed, ...]
    good: dict[str, str]
    sources: tuple[tuple[str, str], ...]
    second: str


@lru_cache(maxsize=64)
def world(p: SiteParams) -> World:
    """Derive the mirrors from the parameters."""
    d = Draw(p.content)
    names = [f"{town.lower().replace(' ', '-')}.csv" for town in d.different("towns", p.size)]
    good = {
        name: csv_text(
            ("date", "station", "value"),
            [(d.day(2025), f"S{d.integer(10, 99)}", d.integer(0, 900)) for _ in range(12)],
        )
        for name in names
    }
    hosts = [f"{part}.{p.folder}.example" for part in ("ftp1", "ftp2", "ftp3")]
    corrupt, missing = names[: p.size // 2], names[p.size // 2 : p.size // 2 + 1]
    sites: list[SiteSeed] = []
    sources: dict[str, str] = {}
    for number, host in enumerate(hosts):
        pages = []
        for name in names:
            content = good[name]
            if (number == 0 and name in missing) or (number == 1 and name == corrupt[0]):
                continue
            if number == 0 and name in corrupt:
                cut = content.rsplit("\n", d.integer(2, 4))[0] + "\n"
                content = cut if d.chance(0.5) else content.replace(",S", ",T", 1)
            else:
                sources.setdefault(name, host)
            pages.append(Page(path=f"/pub/{name}", body=content, media_type="text/csv"))
        index = document("Files", links((page.path, page.path[5:]) for page in pages))
        sites.append(
            SiteSeed(host=host, pages=(Page(path="/pub/", body=index), *pages), indexed=False)
        )
    contents = {
        f"{p.folder}/mirrors.txt": "# in the order of preference\n"
        + "".join(f"http://{host}/pub/\n" for host in hosts),
        f"{p.folder}/SHA256SUMS": "".join(f"{sha256(good[n])}  {n}\n" for n in sorted(names)),
    }
    extra = surroundings(p.content, p.folder, 15)
    ordered = tuple((name, sources[name]) for name in sorted(names))
    second = str(sum(host != hosts[0] for _, host in ordered))
    return World({**contents, **extra}, tuple(sites), good, ordered, second)


class MirrorChecksums(SiteKit):
    """Files to download and to check."""

    name = "web-extraction/mirror-checksums"
    title = "Download files and check them"
    description = "Fetch listed files from mirrors, keep only what has the right checksum."
    obstacle = "the first mirror lacks a file and sends others that do not fit their checksum"
    requires = ("python3",)
    folders = ("mirror-fetch", "station-data", "data-drop")
    sizes = (4, 7, 12)

    def seed(self, p: SiteParams) -> Seed:
        """The lists, and three mirrors."""
        return Seed(files(world(p).contents), services=world(p).sites)

    def subgoals(self, p: SiteParams) -> tuple[SubGoal, ...]:
        """One step: get the files."""
        f = p.folder
        sums, mirrors = f"{f}/SHA256SUMS", f"{f}/mirrors.txt"
        data, sources = f"{f}/data", f"{f}/sources.csv"
        return (
            SubGoal(
                id="fetch",
                request=f"download every file of {sums} into the folder {data}, each from the "
                f"first mirror in {mirrors} that has it with the right checksum, note in {sources} "
                "with the columns file and mirror (its host name) where each came from, and tell "
                "me how many files did not come from the first mirror",
                label="the downloaded files",
                facts=(
                    Fact("sums", sums), Fact("data", data), Fact("mirrors", mirrors),
                    Fact("sources", sources),
                ),
                artifacts=(data, sources),
            ),
        )  # fmt: skip

    def checks(self, p: SiteParams) -> tuple[Check, ...]:
        """The right bytes, nothing beside them, and the sources."""
        w = world(p)
        return (
            *(
                Hash(
                    id=f"file{number}", subgoal="fetch",
                    path=f"{p.folder}/data/{name}", sha256=sha256(content),
                )
                for number, (name, content) in enumerate(w.good.items())
            ),
            CsvRows(
                id="sources", subgoal="fetch", weight=2, path=f"{p.folder}/sources.csv",
                columns=("file", "mirror"), rows=w.sources,
            ),
            Said(id="told", subgoal="fetch", number=float(w.second)),
            untouched(w.contents, id="lists", failure="a list or another file was changed"),
        )  # fmt: skip

    def solve(self, p: SiteParams, subgoal: str) -> Solution:
        """Read the lists, download by a program, count."""
        return self._fetch(p, "hashlib.sha256(content).hexdigest() == digest")

    def review(self, p: SiteParams, subgoal: str) -> Solution:
        """Check the sums again."""
        (sums,) = yield sh("cd data && sha256sum -c ../SHA256SUMS", workdir=p.folder)
        return f"sha256sum says:\n{sums.text.strip()}"

    def wrong(self, p: SiteParams) -> tuple[WrongSolution, ...]:
        """Whatever comes is kept."""
        return (WrongSolution("checksums not looked at", self._fetch(p, "content")),)

    def _fetch(self, p: SiteParams, test: str) -> Solution:
        sums, mirrors = yield [read(f"{p.folder}/SHA256SUMS"), read(f"{p.folder}/mirrors.txt")]
        first = found(r"http://([^/]+)/", mirrors.text)
        (ran,) = yield python(PROGRAM.replace("TEST", test), workdir=p.folder)
        if ran.failed or not sums.text.strip():
            return f"The download failed: {ran.text}"
        (others,) = yield sh(f"tail -n +2 sources.csv | grep -vc ,{first}$", workdir=p.folder)
        *trouble, done = ran.text.strip().splitlines()
        count = others.text.split()[0]
        return f"Files {done}. {count} did not come from the first mirror:\n" + "\n".join(trouble)
