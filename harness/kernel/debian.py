# SPDX-License-Identifier: GPL-2.0-only
"""Packages of a newer Debian release, taken from the machine's own mirror; none is installed.

apt works with sources, lists and archives of its own in a scratch folder, and with the
machine's settings and keyring otherwise, so its proxy and its verification are in force.
"""

import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import cache
from harness.cache import Say
from harness.errors import BenchError, PrerequisiteError
from harness.kernel import recipe
from harness.proc import CommandError, run

RELEASE = "trixie"
"""The release whose packages are taken: its pahole is recent, its backports have new kernels."""

SUITES = (RELEASE, f"{RELEASE}-backports")

DEFAULT_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

_NEEDED_COMMANDS = ("apt-get", "apt-cache", "dpkg-deb")


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Where the machine gets its own release from."""

    uri: str
    keyring: str  # file with the keys that its lists are signed by


def find_mirror(texts: Mapping[str, str], codename: str) -> Mirror | None:
    """The mirror of the suite ``codename`` in apt's source files (name -> text), if any.

    Both of apt's formats are read: stanzas (``.sources``) and lines (``.list``).
    """
    for name, text in texts.items():
        entries = _stanzas(text) if name.endswith(".sources") else _lines(text)
        for uri, suites, signed_by in entries:
            if codename in suites:
                is_file = signed_by.startswith("/")
                return Mirror(uri=uri, keyring=signed_by if is_file else DEFAULT_KEYRING)
    return None


_Entry = tuple[str, Sequence[str], str]
"""Address, suites, value of Signed-By ("" when there is none)."""


def _stanzas(text: str) -> Iterator[_Entry]:
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"^([\w-]+):(.*)$", stanza, re.MULTILINE)
        }
        uris = fields.get("uris", "").split()
        if uris and "deb" in fields.get("types", "").split() and fields.get("enabled") != "no":
            yield uris[0], fields.get("suites", "").split(), fields.get("signed-by", "")


def _lines(text: str) -> Iterator[_Entry]:
    for options, uri, suite in re.findall(
        r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s", text, re.MULTILINE
    ):
        signed_by = re.search(r"signed-by=(\S+)", options)
        yield uri, [suite], signed_by[1] if signed_by else ""


def machine_mirror(os_release: Mapping[str, str], apt: Path) -> Mirror:
    """The mirror of the machine's own Debian release, from the files below ``apt``.

    Raises PrerequisiteError when the machine is not Debian or names no mirror.
    """
    ident, codename = os_release.get("ID", "unknown"), os_release.get("VERSION_CODENAME", "")
    if ident != "debian":
        raise PrerequisiteError(f"this machine is {ident!r}, which has no {RELEASE} packages")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    texts = {str(f): f.read_text(errors="replace") for f in files if f.is_file()}
    mirror = find_mirror(texts, codename)
    if mirror is None:
        raise PrerequisiteError(f"no apt source for debian {codename!r} below {apt}")
    return mirror


def sources_text(mirror: Mirror) -> str:
    """apt's source file for ``SUITES`` on ``mirror``."""
    return (
        f"Types: deb\nURIs: {mirror.uri}\nSuites: {' '.join(SUITES)}\n"
        f"Components: main\nSigned-By: {mirror.keyring}\n"
    )


def apt_options(root: Path) -> list[str]:
    """Options that make apt work below ``root``, as on a machine without any package."""
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": root / "sources",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": root / "preferences",
        "Dir::State::lists": root / "lists",
        "Dir::State::extended_states": root / "extended_states",
        "Dir::State::status": root / "status",
        "Dir::Cache": root / "cache",
        "Dir::Cache::archives": root / "archives",
        # Below a cache folder that apt's own user may not enter.
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that can be had."""

    name: str
    version: str
    bytes: int  # of its file


def parse_show(text: str) -> Package | None:
    """The package described by ``apt-cache show``, or None."""
    fields = dict(re.findall(r"^(Package|Version|Size): (\S+)$", text, re.MULTILINE))
    if len(fields) != 3:
        return None
    return Package(name=fields["Package"], version=fields["Version"], bytes=int(fields["Size"]))


class AptRoot:
    """apt with the lists of ``SUITES`` below a folder. Made by ``open_root``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self, prefix: str) -> tuple[str, ...]:
        """The packages whose names start with ``prefix``, sorted."""
        argv = ["apt-cache", *apt_options(self.folder), "pkgnames", prefix]
        return tuple(sorted(run(argv).stdout.split()))

    def package(self, name: str) -> Package | None:
        """What is known of the package ``name``; None: there is none."""
        argv = ["apt-cache", *apt_options(self.folder), "show", "--no-all-versions", name]
        return parse_show(run(argv, check=False).stdout)

    def unpack(self, package: Package, to: Path, say: Say) -> None:
        """Download ``package`` alone, verified by apt, and unpack it into ``to``."""
        cache.require_room(to, 3 * package.bytes, f"unpack {package.name}")
        say(f"downloading {package.name} {package.version} ({package.bytes / 1e6:.0f} MB)")
        argv = ["apt-get", *apt_options(self.folder), "-q", "download"]
        run([*argv, f"{package.name}={package.version}"], cwd=self.folder / "archives")
        self._unpack_archives(to)

    def unpack_with_depends(self, package: Package, to: Path, say: Say) -> None:
        """As ``unpack``, with all that the package depends on, down to the C library."""
        cache.require_room(to, 100 * 2**20, f"unpack {package.name}")
        say(f"downloading {package.name} {package.version} and its libraries")
        argv = ["apt-get", *apt_options(self.folder), "-q", "-y", "--no-install-recommends"]
        run([*argv, "--download-only", "install", f"{package.name}={package.version}"])
        self._unpack_archives(to)

    def _unpack_archives(self, to: Path) -> None:
        for archive in sorted((self.folder / "archives").glob("*.deb")):
            run(["dpkg-deb", "-x", str(archive), str(to)])
            archive.unlink()


@contextmanager
def open_root(folder: Path, say: Say) -> Iterator[AptRoot]:
    """apt with fresh lists of ``SUITES``, in a scratch folder below ``folder``.

    Raises PrerequisiteError when the machine has no such mirror or it does not answer.
    """
    absent = [command for command in _NEEDED_COMMANDS if shutil.which(command) is None]
    if absent:
        raise PrerequisiteError(f"no {absent[0]} on this machine")
    mirror = machine_mirror(platform.freedesktop_os_release(), Path("/etc/apt"))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".apt-") as scratch:
        root = Path(scratch)
        for name in ("sources", "preferences", "lists/partial", "archives/partial", "cache"):
            (root / name).mkdir(parents=True)
        (root / "status").touch()
        (root / "sources" / "debian.sources").write_text(sources_text(mirror))
        say(f"reading the package lists of Debian {' and '.join(SUITES)}")
        run(["apt-get", *apt_options(root), "-q", "update"])
        yield AptRoot(root)


def obtain(
    store: Path, name: str, fill: Callable[[AptRoot, Path], None], remedy: str, say: Say
) -> Path:
    """The folder ``store/name``, filled by ``fill`` if it is not there yet.

    Raises PrerequisiteError with the reason in a line, and ``remedy``.
    """

    def make(staging: Path) -> cache.Facts:
        with open_root(staging, say) as apt:
            fill(apt, staging)
        return {}

    path = store / name
    title = f"Debian's {name}"
    try:
        if path.is_dir() and not (path / cache.RECORD).exists():
            # Of a version that kept no record, and whole, for it was renamed into place. Another
            # download could be of a later release, from which every kernel would be built again.
            cache.enrol(path, title)
        return cache.get_or_make(store, name, make, name=title, say=say).path
    except (BenchError, OSError) as error:
        raise PrerequisiteError(f"{name} cannot be had: {reason(error)}", remedy) from error


def reason(error: Exception) -> str:
    """Why, in one line: apt's own first error, or the message."""
    if isinstance(error, CommandError):
        wrong = [line for line in error.output.splitlines() if line.startswith("E: ")]
        if wrong:
            return wrong[0].removeprefix("E: ").strip()
    lines = str(error).splitlines()
    return lines[-1] if lines else type(error).__name__


def choose_source(names: Iterable[str], base: str) -> str | None:
    """``base`` where it is among ``names``, else the newest Linux source after it, else None."""
    versions = {recipe.base_version(n): n for n in names if recipe.SOURCE_PACKAGE.match(n)}
    if base in versions.values():
        return base
    newest = max(versions, default=(0, 0))
    return versions[newest] if newest > recipe.base_version(base) else None


def fetch_source(base: str, store: Path, say: Say) -> Path:
    """The tarball of the package ``base``, or of the newest one after it, kept below ``store``.

    One that was downloaded is used until it is removed. Raises PrerequisiteError.
    """
    remedy = f"give Linux {'.'.join(map(str, recipe.base_version(base)))} or later as KERNEL_SRC="

    def fill(apt: AptRoot, to: Path) -> None:
        name = choose_source(apt.names("linux-source-"), base)
        package = apt.package(name) if name is not None else None
        if package is None:
            raise PrerequisiteError(f"no such package, nor a later one, in {', '.join(SUITES)}")
        apt.unpack(package, to, say)
        (tarball,) = (to / "usr/src").glob("linux-source-*.tar.xz")
        tarball.rename(to / tarball.name)
        shutil.rmtree(to / "usr")

    return _tarball(obtain(store, base, fill, remedy, say))


def downloaded_source(base: str, store: Path) -> Path | None:
    """What ``fetch_source`` would give without downloading anything, None where it would."""
    return _tarball(store / base) if (store / base).is_dir() else None


def _tarball(folder: Path) -> Path:
    return next(folder.glob("linux-source-*.tar.xz"))
