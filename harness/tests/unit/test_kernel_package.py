# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages of kernels: real ones, made with dpkg-deb."""

import io
import random
import tarfile
from pathlib import Path

import pytest

from harness import cache, proc
from harness.errors import DataError, InfrastructureError, UserError
from harness.kernel import adopt, package, resolve
from harness.kernel.artefacts import UserKernel
from harness.tests.unit.test_kernel_resolve import GOOD, VARIANTS, image

RELEASE = "6.1.192"


def deb(folder: Path, files: dict[str, bytes], **control: str) -> Path:
    """A package of ``files``; ``control`` fields over sensible ones."""
    fields = {"Package": "linux-image-x", "Version": "1", "Architecture": "amd64",
              "Maintainer": "a test", "Description": "a test", **control}  # fmt: skip
    tree = folder / "tree"
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("".join(f"{k}: {v}\n" for k, v in fields.items()))
    path = folder / f"{fields['Package']}_{fields['Version']}_{fields['Architecture']}.deb"
    proc.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(path)])
    return path


@pytest.fixture
def kernel(tmp_path: Path) -> dict[str, bytes]:
    """Files of a package that holds a kernel."""
    data = image(tmp_path / "image", None).read_bytes()
    return {
        f"boot/vmlinuz-{RELEASE}": data,
        f"boot/config-{RELEASE}": GOOD.encode(),
        f"usr/lib/modules/{RELEASE}/kernel/lib/one.ko": b"\x7fELF none",
        "usr/share/doc/linux/copyright": b"",
    }


def test_a_package_brings_its_configuration_and_modules(
    tmp_path: Path, kernel: dict[str, bytes]
) -> None:
    path, store = deb(tmp_path / "p", kernel), tmp_path / "packages"
    (chosen,) = resolve(f"good={path}", VARIANTS, store)
    assert isinstance(chosen, UserKernel)
    made = adopt(chosen, tmp_path / "modules")
    assert made.name == "good"
    assert made.identity.release == RELEASE
    assert made.options is not None
    assert made.options["CONFIG_BPF_JIT"] == "y"
    assert made.modules is not None
    folder = made.modules / "lib/modules" / RELEASE
    assert (folder / "kernel/lib/one.ko").read_bytes() == b"\x7fELF none"
    assert (folder / "modules.dep").is_file()
    assert not list(store.rglob("copyright"))
    (again,) = resolve(str(path), VARIANTS, store)
    assert (again.name, again) == ("x", UserKernel(name=again.name, image=chosen.image))


def test_a_kernel_in_three_packages(tmp_path: Path, kernel: dict[str, bytes]) -> None:
    """As Debian has it since Linux 7.2; those in the folder are taken together."""
    place = f"usr/lib/modules/{RELEASE}"
    parts = {
        "binary": {f"{place}/vmlinuz": kernel[f"boot/vmlinuz-{RELEASE}"]},
        "base": {f"{place}/config": GOOD.encode()},
        "modules": {f"{place}/kernel/lib/one.ko": b"\x7fELF none"},
    }
    paths = {
        part: deb(tmp_path / part, files, Package=f"linux-{part}-{RELEASE}", Version="1:7~bpo")
        for part, files in parts.items()
    }
    for path in paths.values():
        path.rename(tmp_path / path.name.replace("1:", ""))
    other = deb(tmp_path / "x", parts["base"], Package=f"linux-base-{RELEASE}", Version="8")
    other.rename(tmp_path / other.name)
    binary = tmp_path / f"linux-binary-{RELEASE}_7~bpo_amd64.deb"
    lines: list[str] = []
    (chosen,) = resolve(str(binary), VARIANTS, tmp_path / "packages", lines.append)
    assert len(lines) == 1
    assert lines[0].count(".deb") == 3
    assert isinstance(chosen, UserKernel)
    made = adopt(chosen, tmp_path / "modules")
    assert made.options is not None
    assert made.options["CONFIG_BPF_JIT"] == "y"
    assert made.modules is not None
    assert (made.modules / "lib/modules" / RELEASE / "modules.dep").is_file()
    modules = tmp_path / f"linux-modules-{RELEASE}_7~bpo_amd64.deb"
    assert (
        resolve(str(modules), VARIANTS, tmp_path / "packages")[0].name == f"linux-modules-{RELEASE}"
    )
    binary.unlink()
    assert "holds no kernel" in refusal(modules, tmp_path / "elsewhere")


def test_an_unpacked_package_is_taken_like_it(tmp_path: Path, kernel: dict[str, bytes]) -> None:
    deb(tmp_path / "p", kernel)
    (chosen,) = resolve(str(tmp_path / "p/tree"), VARIANTS, tmp_path)
    assert isinstance(chosen, UserKernel)
    assert chosen.image == tmp_path / f"p/tree/boot/vmlinuz-{RELEASE}"


def refusal(path: Path, store: Path) -> str:
    with pytest.raises(UserError) as caught:
        resolve(str(path), VARIANTS, store)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    assert not list(store.glob("[0-9a-f]*/build.json"))
    return str(caught.value)


def test_a_package_without_a_kernel(tmp_path: Path) -> None:
    path = deb(tmp_path, {"usr/share/doc/x": b""}, Depends="linux-image-6.1.0-1-amd64")
    told = refusal(path, tmp_path / "packages")
    assert "holds no kernel, no vmlinuz" in told
    assert "it depends on linux-image-6.1.0-1-amd64" in told


def test_a_package_of_another_machine(tmp_path: Path, kernel: dict[str, bytes]) -> None:
    path = deb(tmp_path / "p", kernel, Architecture="arm64")
    assert "is a package for arm64" in refusal(path, tmp_path / "packages")


def test_a_file_that_is_only_named_like_a_package(tmp_path: Path) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(b"no package" * 100)
    assert "is not a Debian package" in refusal(path, tmp_path / "packages")


def test_a_package_with_two_kernels(tmp_path: Path, kernel: dict[str, bytes]) -> None:
    data = kernel[f"boot/vmlinuz-{RELEASE}"]
    path = deb(tmp_path / "p", {**kernel, "boot/vmlinuz-6.2.0": data})
    with pytest.raises(UserError, match=r"holds 2 kernels: boot/vmlinuz-6\.1\.192, boot/vmlinuz-6"):
        resolve(str(path), VARIANTS, tmp_path / "packages")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("./boot/vmlinuz-6.1", "boot/vmlinuz-6.1"),
        ("./usr/lib/modules/6.1/modules.order", "lib/modules/6.1/modules.order"),
        ("./lib/modules/6.1/x.ko", "lib/modules/6.1/x.ko"),
        ("/boot/vmlinuz-6.1", "boot/vmlinuz-6.1"),
        ("./boot/../../etc/passwd", None),
        ("../boot/x", None),
        ("./etc/passwd", None),
        ("./boot", None),
    ],
)
def test_no_file_leaves_the_folder(name: str, place: str | None) -> None:
    assert package.kept_place(name) == place


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        link = tarfile.TarInfo("./boot/vmlinuz-1")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        device = tarfile.TarInfo("./boot/vmlinuz-2")
        device.type = tarfile.CHRTYPE
        file = tarfile.TarInfo("./boot/vmlinuz-3")
        for member in (link, device, file):
            tar.addfile(member)
    archive.seek(0)
    kept: list[str] = []
    package.for_each_file(archive, lambda place, _: kept.append(place))
    assert kept == ["boot/vmlinuz-3"]
    with pytest.raises(DataError, match="its archive is damaged"):
        package.for_each_file(io.BytesIO(b"x" * 700), lambda _, content: None)


def test_a_package_that_is_cut_short_is_not_used(tmp_path: Path, kernel: dict[str, bytes]) -> None:
    noise = random.Random(1).randbytes(200_000)
    whole = deb(tmp_path / "p", {**kernel, f"usr/lib/modules/{RELEASE}/kernel/two.ko": noise})
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[:-20_000])
    with pytest.raises(InfrastructureError, match="dpkg-deb ended with 2"):
        package.unpack(path, tmp_path / "packages", cache.ignore)
    assert not list((tmp_path / "packages").glob("*/root"))
