# SPDX-License-Identifier: GPL-2.0-only
"""The set-up's choice of packages, with a package manager that only notes what it is asked for."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BASE_SOURCE = "linux-source-6.1"
FAKES = {
    "id": "echo 0",
    "qemu-system-x86_64": "echo 'QEMU emulator version 10.0.2'",
    "dpkg-query": 'grep -qx -- "$4" "$STATE/installed" && echo installed',
    # as apt-cache does, it answers an exact name only
    "apt-cache": 'if grep -qx -- "$2" "$STATE/packaged"; then echo "$2 | 1"; fi',
    "apt-get": """
echo "$*" >>"$STATE/asked"
[ "$1" = install ] || exit 0
shift
while [ $# -gt 0 ]; do
    case $1 in
    -o) shift ;;
    -*) ;;
    *) echo "$1" >>"$STATE/installed" ;;
    esac
    shift
done
""",
}


class Machine:
    """A machine with no package installed, whose archive has every package but those named."""

    def __init__(self, folder: Path, archive_lacks: tuple[str, ...] = ()) -> None:
        self.folder = folder
        script = (ROOT / "harness" / "setup.sh").read_text()
        names = script.split('packages="', 1)[1].split('"', 1)[0].split()
        self.packages = [name for name in names if name not in archive_lacks]
        (folder / "bin").mkdir()
        for name, body in FAKES.items():
            fake = folder / "bin" / name
            fake.write_text(f"#!/bin/sh\n{body}\n")
            fake.chmod(0o755)
        packaged = {*self.packages, "clang", "llvm", "lld", BASE_SOURCE} - set(archive_lacks)
        (folder / "packaged").write_text("\n".join(sorted(packaged)) + "\n")
        (folder / "installed").touch()
        (folder / "asked").touch()
        venv = folder / "venv"
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").symlink_to("/bin/true")
        locked = b"".join(
            (ROOT / name).read_bytes() for name in ("requirements-dev.txt", "pyproject.toml")
        )
        (venv / ".requirements").write_text(hashlib.sha256(locked).hexdigest() + "  -\n")

    def setup(self, **environment: str) -> str:
        done = subprocess.run(
            ["sh", ROOT / "harness" / "setup.sh", self.folder / "venv"],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "STATE": str(self.folder),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text().splitlines()


def test_a_bare_machine_gets_every_package_and_the_base_source(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    out = machine.setup()
    assert sorted(machine.lines("installed")) == sorted([*machine.packages, BASE_SOURCE])
    assert f"installing {BASE_SOURCE}\n" in out


def test_a_second_setup_asks_the_package_manager_for_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.setup()
    (tmp_path / "asked").write_text("")
    assert machine.setup() == "setup: ready\n"
    assert machine.lines("asked") == []


@pytest.mark.parametrize("lacks", ["clang-14", "llvm-14", "lld-14"])
def test_a_release_without_clang_14_gets_its_own(tmp_path: Path, lacks: str) -> None:
    machine = Machine(tmp_path, archive_lacks=(lacks,))
    machine.setup()
    assert lacks.removesuffix("-14") in machine.lines("installed")
    assert lacks not in machine.lines("installed")


def test_a_release_without_the_base_source_is_told_how_to_give_one(tmp_path: Path) -> None:
    machine = Machine(tmp_path, archive_lacks=(BASE_SOURCE,))
    assert f"has no {BASE_SOURCE}: give the base kernel as KERNEL_SRC=" in machine.setup()
    assert BASE_SOURCE not in machine.lines("installed")


def test_a_base_source_of_the_users_own_installs_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.setup(KERNEL_SRC="/some/linux-6.1")
    assert BASE_SOURCE not in machine.lines("installed")
