# SPDX-License-Identifier: GPL-2.0-only
"""Layers are archives that cpio itself reads, and equal content gives equal bytes."""

import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import proc
from harness.errors import PrerequisiteError
from harness.image import cpio, guest_layers, packages
from harness.tests.golden import assert_golden

DEB822 = """Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


def written(entries: list[cpio.Entry]) -> bytes:
    out = io.BytesIO()
    cpio.write(entries, out)
    return out.getvalue()


def tree(root: Path) -> Path:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "file").write_bytes(b"12345")
    (root / "a" / "tool").write_bytes(b"#!/bin/sh\n")
    (root / "a" / "tool").chmod(0o755)
    (root / "a" / "link").symlink_to("file")
    return root


def test_cpio_reads_it_back(tmp_path: Path) -> None:
    archive = tmp_path / "x.cpio"
    archive.write_bytes(written(cpio.from_tree(tree(tmp_path / "in"))))
    out = tmp_path / "out"
    out.mkdir()
    proc.run(["cpio", "-i", "--quiet", "-F", str(archive)], cwd=out)
    assert (out / "a" / "file").read_bytes() == b"12345"
    assert (out / "a" / "tool").stat().st_mode & 0o777 == 0o755
    assert str((out / "a" / "link").readlink()) == "file"
    assert (out / "a" / "b").is_dir()


def test_times_owners_and_order_of_the_disk_do_not_count(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "1"), tree(tmp_path / "2")
    os.utime(second / "a" / "file", (1, 1))
    (second / "a" / "z").write_bytes(b"")
    (second / "a" / "z").unlink()
    assert written(cpio.from_tree(first)) == written(cpio.from_tree(second))


@given(st.dictionaries(st.text("abc", min_size=1, max_size=5), st.binary(max_size=50), max_size=5))
def test_every_member_is_aligned(files: dict[str, bytes]) -> None:
    data = written([cpio.regular(name, content) for name, content in files.items()])
    assert len(data) % 4 == 0
    assert data.count(b"070701") >= len(files) + 1
    assert data.endswith(b"\0")


def test_parents_come_outermost_first() -> None:
    names = [entry.name for entry in cpio.parents(["usr/lib/x/y", "init"])]
    assert names == ["usr", "usr/lib", "usr/lib/x"]


def test_modules_do_not_replace_the_link_lib(tmp_path: Path) -> None:
    (tmp_path / "m" / "lib" / "modules" / "6.1").mkdir(parents=True)
    (tmp_path / "m" / "lib" / "modules" / "6.1" / "k.ko").write_bytes(b"k")
    bench = tmp_path / "bench"
    bench.write_bytes(b"b")
    layer = guest_layers.kernel_layer(
        tmp_path / "l.cpio", modules=tmp_path / "m", headers=None, files={"usr/bin/bench": bench}
    )
    listed = proc.run(["cpio", "-t", "--quiet", "-F", str(layer.path)]).stdout.split()
    assert "usr/lib/modules/6.1/k.ko" in listed
    assert "lib" not in listed


def test_trial_and_agent_layers_are_deterministic(tmp_path: Path) -> None:
    folder = tree(tmp_path / "w")
    layers = [guest_layers.trial_layer(tmp_path / f"{i}.cpio", b"{}", folder) for i in range(2)]
    assert layers[0].sha256 == layers[1].sha256
    agent = guest_layers.agent_layer(tmp_path / "agent.cpio")
    listed = proc.run(["cpio", "-tv", "--quiet", "-F", str(agent.path)]).stdout
    assert any(
        line.startswith("-rwxr-xr-x") and line.endswith(" init") for line in listed.splitlines()
    )
    assert "opt/execmem-bench/agent/__main__.py" in listed


def test_joined_layers_are_all_there(tmp_path: Path) -> None:
    layers = [guest_layers.Layer(name=str(i), path=tmp_path / str(i), sha256="") for i in range(2)]
    for layer in layers:
        guest_layers.write_layer(layer.path, [cpio.regular(layer.name, b"x")])
    guest_layers.join(layers, tmp_path / "initrd")
    data = (tmp_path / "initrd").read_bytes()
    assert data == b"".join(layer.path.read_bytes() for layer in layers)


def test_release_from_both_kinds_of_sources(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    os_release = packages.parse_os_release('ID=debian\nVERSION_CODENAME="bookworm"\n')
    deb822 = tmp_path / "sources.list.d" / "debian.sources"
    deb822.write_text(DEB822)
    assert packages.release(os_release, tmp_path).sources == (deb822,)
    deb822.unlink()
    classic = tmp_path / "sources.list"
    classic.write_text("deb http://mirror.example/debian bookworm main\n")
    assert packages.release(os_release, tmp_path).sources == (classic,)


def test_backports_alone_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "b.sources").write_text(
        DEB822.replace("bookworm bookworm-updates", "bookworm-backports")
    )
    with pytest.raises(PrerequisiteError, match="no apt source for debian 'bookworm'"):
        packages.release({"ID": "debian", "VERSION_CODENAME": "bookworm"}, tmp_path)


def test_other_distributions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="'fedora'"):
        packages.release({"ID": "fedora"}, tmp_path)


def test_mmdebstrap_command() -> None:
    host = packages.Release(id="debian", codename="bookworm", sources=(Path("/etc/apt/S"),))
    argv = packages.mmdebstrap_argv(host, Path("T"), Path("L"))
    assert_golden("image/mmdebstrap.argv", "\n".join(argv) + "\n")


def test_pypi_has_another_bcc() -> None:
    assert packages.BCC_PACKAGES == ("python3-bpfcc",)
    assert "linux-tools-generic" in packages.package_names(("linux-perf",), "ubuntu")


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("usr/share/doc/x", True),
        ("etc/machine-id", True),
        ("usr/bin/python3", False),
        ("usr/share/documents", False),
    ],
)
def test_dropped(name: str, dropped: bool) -> None:
    assert packages.dropped(name) == dropped


def test_device_nodes_keep_their_numbers() -> None:
    entry = cpio.Entry(name="dev/console", mode=stat.S_IFCHR | 0o600, rdev=(5, 1))
    header = written([entry])[:110]
    assert header[78:86] == b"00000005"
    assert header[86:94] == b"00000001"
