# SPDX-License-Identifier: GPL-2.0-only
"""Packages of a newer Debian: whose mirror, which package, and why there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from harness import cache
from harness.errors import PrerequisiteError
from harness.kernel import debian, pahole, recipe
from harness.proc import CommandError

STANZAS = """\
# A comment, and a suite that is turned off.
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Enabled: no

Types: deb deb-src
# Suites: trixie
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/own.gpg

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
"""

LINES = """\
# deb http://off.example/debian bookworm main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib
deb http://mirror.example/security bookworm-security main
"""

TOOLS = recipe.Tools(gcc="", ld="", pahole="v1.24", make="", ccache=False)
NEW = "linux-source-7.3"


@pytest.mark.parametrize(
    ("name", "text", "keyring"),
    [
        ("debian.sources", STANZAS, "/usr/share/keyrings/own.gpg"),
        ("sources.list", LINES, "/k.gpg"),
        ("sources.list", LINES.replace(" signed-by=/k.gpg", ""), debian.DEFAULT_KEYRING),
        ("x.sources", STANZAS.replace("/usr/share/keyrings/own.gpg", ""), debian.DEFAULT_KEYRING),
    ],
)
def test_the_mirror_is_that_of_the_machines_own_release(name: str, text: str, keyring: str) -> None:
    mirror = debian.find_mirror({name: text}, "bookworm")
    assert mirror == debian.Mirror(uri="http://mirror.example/debian", keyring=keyring)


def test_no_mirror() -> None:
    assert debian.find_mirror({"a.sources": STANZAS, "b.list": LINES}, "trixie") is None


def test_a_machine_that_is_not_debian(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="'ubuntu', which has no trixie packages"):
        debian.machine_mirror({"ID": "ubuntu", "VERSION_CODENAME": "noble"}, tmp_path)
    with pytest.raises(PrerequisiteError, match="no apt source for debian 'bookworm'"):
        debian.machine_mirror({"ID": "debian", "VERSION_CODENAME": "bookworm"}, tmp_path)
    (tmp_path / "sources.list").write_text(LINES)
    found = debian.machine_mirror({"ID": "debian", "VERSION_CODENAME": "bookworm"}, tmp_path)
    assert found.uri == "http://mirror.example/debian"


def test_apts_sources_are_read_back() -> None:
    mirror = debian.Mirror(uri="http://mirror.example/debian", keyring="/k.gpg")
    for suite in debian.SUITES:
        assert debian.find_mirror({"x.sources": debian.sources_text(mirror)}, suite) == mirror


def test_apt_stays_in_its_folder_and_verifies() -> None:
    words = debian.apt_options(Path("/root"))
    settings = dict(word.split("=", 1) for word in words[1::2])
    assert set(words[::2]) == {"-o"}
    places = {name: value for name, value in settings.items() if name.startswith("Dir::")}
    assert {value for value in places.values() if not value.startswith("/root/")} == {"/dev/null"}
    assert settings["APT::Get::AllowUnauthenticated"] == "false"
    assert settings["Acquire::AllowInsecureRepositories"] == "false"


SHOW = "Package: linux-source-7.3\nSource: linux\nVersion: 7.3.4-1~bpo13+1\nSize: 166780612\n"


def test_what_is_known_of_a_package() -> None:
    assert debian.parse_show(SHOW) == debian.Package(
        name=NEW, version="7.3.4-1~bpo13+1", bytes=166780612
    )
    assert debian.parse_show("") is None


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["linux-source-6.12", "linux-source-7.3", "linux-source-7.4"], "linux-source-7.3"),
        (["linux-source-7.2", "linux-source-7.4", "linux-source-7.10"], "linux-source-7.10"),
        (["linux-source-8.0", "linux-source"], "linux-source-8.0"),
        (["linux-source-7.2", "linux-source-6.12"], None),
        ([], None),
    ],
)
def test_the_source_is_the_one_named_or_the_newest_after_it(
    names: list[str], chosen: str | None
) -> None:
    assert debian.choose_source(names, NEW) == chosen


class Archive:
    """An apt that has the packages named, and unpacks one file of each."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self._names = names

    def names(self, prefix: str) -> tuple[str, ...]:
        return tuple(name for name in self._names if name.startswith(prefix))

    def package(self, name: str) -> debian.Package | None:
        known = debian.Package(name=name, version="1", bytes=1)
        return known if name in self._names else None

    def unpack(self, package: debian.Package, to: Path, say: cache.Say) -> None:
        say(f"downloading {package.name}")
        (to / "usr/src").mkdir(parents=True)
        (to / f"usr/src/{package.name}.tar.xz").write_bytes(b"x")

    def unpack_with_depends(self, package: debian.Package, to: Path, say: cache.Say) -> None:
        say(f"downloading {package.name}")
        loader = to / "usr/lib64/ld-linux-x86-64.so.2"
        loader.parent.mkdir(parents=True)
        # Stands for the loader: says the version of the program after its own options.
        loader.write_text('#!/bin/sh\n[ "$1" = --library-path ] && echo "v1.30"\n')
        loader.chmod(0o755)


def archive_of(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    @contextmanager
    def open_root(folder: Path, say: object) -> Iterator[debian.AptRoot]:
        (folder / ".apt-x").mkdir()
        yield cast(debian.AptRoot, Archive(folder / ".apt-x", *names))
        (folder / ".apt-x").rmdir()

    monkeypatch.setattr(debian, "open_root", open_root)


def test_a_source_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive_of(monkeypatch, "linux-source-7.5", "linux-source-7.2")
    lines: list[str] = []
    path = debian.fetch_source(NEW, tmp_path, lines.append)
    assert path == tmp_path / NEW / "linux-source-7.5.tar.xz"
    assert path.read_bytes() == b"x"
    assert debian.fetch_source(NEW, tmp_path, lines.append) == path
    assert lines == ["downloading linux-source-7.5"]


def test_a_source_of_an_earlier_version_is_kept_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another download could be of a later release, from which all kernels were built again."""
    archive_of(monkeypatch, "linux-source-7.5")
    tarball = tmp_path / NEW / "linux-source-7.3.tar.xz"
    tarball.parent.mkdir()
    tarball.write_bytes(b"old")
    assert debian.downloaded_source(NEW, tmp_path) == tarball
    for _ in range(2):
        assert debian.fetch_source(NEW, tmp_path, print) == tarball
    record = cache.load(tarball.parent)
    assert record is not None
    assert set(record.files) == {tarball.name}


def test_a_damaged_source_is_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_of(monkeypatch, "linux-source-7.3")
    path = debian.fetch_source(NEW, tmp_path, print)
    path.write_bytes(b"")
    lines: list[str] = []
    assert debian.fetch_source(NEW, tmp_path, lines.append).read_bytes() == b"x"
    assert "is damaged" in lines[0]


def test_what_is_at_hand_is_found_without_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_of(monkeypatch, "dwarves")
    assert debian.downloaded_source(NEW, tmp_path) is None
    assert pahole.at_hand(TOOLS, NEW, tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    made = pahole.for_base(TOOLS, NEW, tmp_path, lambda _: None)
    assert pahole.at_hand(TOOLS, NEW, tmp_path) == made


def test_no_such_source_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive_of(monkeypatch, "linux-source-7.2")
    with pytest.raises(PrerequisiteError) as caught:
        debian.fetch_source(NEW, tmp_path, print)
    text = str(caught.value)
    assert text.startswith("linux-source-7.3 cannot be had: no such package")
    assert text.endswith("give Linux 7.3 or later as KERNEL_SRC=")
    assert "\n" not in text
    assert caught.value.exit_code == 3
    assert not (tmp_path / NEW).exists()


def test_the_reason_is_apts_own() -> None:
    output = "Err:1 ...\nE: Failed to fetch x  Could not resolve 'mirror.example'\nE: Some more\n"
    assert debian.reason(CommandError(["apt-get"], 100, output, None)) == (
        "Failed to fetch x  Could not resolve 'mirror.example'"
    )
    assert debian.reason(CommandError(["x"], 1, "a\nlast", None)) == "last"
    assert debian.reason(OSError("disk full")) == "disk full"


def test_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = type("Usage", (), {"free": 10 * 2**20})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    apt = debian.AptRoot(tmp_path)
    package = debian.Package(name=NEW, version="1", bytes=166780612)
    with pytest.raises(PrerequisiteError, match="10 MB free, 477 MB needed to unpack linux-source"):
        apt.unpack(package, tmp_path / "to", print)


@pytest.mark.parametrize(
    ("base", "version", "own"),
    [
        ("linux-source-6.1", "v1.24", True),
        (NEW, "v1.30", True),
        (NEW, "v1.27", True),
        (NEW, "v1.26", False),
        (NEW, "v1.24", False),
    ],
)
def test_pahole_is_the_machines_where_it_is_new_enough(
    base: str, version: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_of(monkeypatch, "dwarves")
    tools = replace(TOOLS, pahole=version)
    found = pahole.for_base(tools, base, tmp_path, lambda _: None)
    if own:
        assert found == tools
    else:
        wrapper = str(tmp_path / "pahole/pahole")
        assert found == replace(tools, pahole="v1.30", pahole_path=wrapper)


def test_no_pahole_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive_of(monkeypatch)
    with pytest.raises(PrerequisiteError) as caught:
        pahole.for_base(TOOLS, NEW, tmp_path, print)
    text = str(caught.value)
    assert "no package dwarves in trixie" in text
    assert "needs pahole 1.27 or later and this machine's is v1.24" in text
    assert "\n" not in text
    assert caught.value.exit_code == 3
