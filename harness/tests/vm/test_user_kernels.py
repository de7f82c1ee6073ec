# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of the user's own, as a package and as a bare image: booted, named, compared."""

import shutil
from pathlib import Path

import pytest

from harness import proc
from harness.analysis.compare import compare
from harness.model.records import TrialRecord, TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run
from harness.tests.vm.bare import kernel

pytestmark = pytest.mark.vm

CONTROL = """\
Package: linux-image-test
Version: 1
Architecture: amd64
Maintainer: a test
Description: a kernel that somebody built
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make bindeb-pkg`` would write of the variant bpf_prog_pack."""
    made = kernel("bpf_prog_pack")
    release = made.identity.release
    assert made.config is not None
    assert made.modules is not None
    folder = tmp_path_factory.mktemp("package")
    tree = folder / "tree"
    (tree / "boot").mkdir(parents=True)
    shutil.copyfile(made.image, tree / f"boot/vmlinuz-{release}")
    shutil.copyfile(made.config, tree / f"boot/config-{release}")
    shutil.copytree(made.modules / "lib", tree / "lib", symlinks=True)
    for index in (tree / "lib/modules" / release).glob("modules.dep*"):
        index.unlink()  # as in a package, which leaves them to depmod
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(CONTROL)
    proc.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", str(tree), str(folder)])
    (path,) = folder.glob("*.deb")
    return path


def trials(out: Path, kernels: str, workload: str, **params: int | float) -> list[TrialRecord]:
    request = RunRequest(
        suite="smoke", kernels=kernels, workload=workload, params=dict(params), out=out, jobs=1
    )
    return list(load_run(run(request, Progress(quiet=True)).path).records)


def value(record: TrialRecord, name: str, **labels: str) -> int | float | None:
    (found,) = (
        r.value for r in record.readings if r.name == name and r.labels.items() >= labels.items()
    )
    return found


def test_a_package_and_a_bare_image_under_names_of_the_users(package: Path, tmp_path: Path) -> None:
    image = shutil.copyfile(kernel("bpf_prog_pack").image, tmp_path / "bzImage")
    records = trials(
        tmp_path, f"packed={package},bare={image}", "trig-kprobe", instances=2, window_s=0.1
    )
    assert [r.failure for r in records] == [None, None]
    assert {r.spec.variant for r in records} == {"packed", "bare"}
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    found = compare([load_run(folder)])
    assert (found.baseline, found.builds) == ("packed", ("packed", "bare"))
    for record in records:
        assert value(record, "bpf.text.programs", at="close") == 14
        assert value(record, "wx.mappings", at="close") == 0


def test_modules_come_from_the_package(package: Path, tmp_path: Path) -> None:
    (record,) = trials(tmp_path, f"packed={package}", "modules", count=4)
    assert record.status is TrialStatus.OK, record.failure
    loaded = value(record, "modules.loaded", at="close")
    assert loaded is not None
    assert loaded >= 4
