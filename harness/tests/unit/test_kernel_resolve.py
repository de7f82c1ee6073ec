# SPDX-License-Identifier: GPL-2.0-only
"""KERNEL=: variants, lists, images and built trees; and what is said to anything else."""

import gzip
from pathlib import Path

import pytest

from harness import cache
from harness.errors import PrerequisiteError, UserError
from harness.kernel import adopt, kconfig, naming, resolve, stage
from harness.kernel.artefacts import UserKernel
from harness.kernel.stage import StageRequest, kernel_requests, make_kernels
from harness.model.specs import VariantSpec
from harness.tests.unit.test_kernel_bootimage import bzimage, vmlinux

VARIANTS = {
    name: VariantSpec(name=name, title=name, role="") for name in ("upstream", "bpf_prog_pack")
}
GOOD = kconfig.render(dict.fromkeys(kconfig.BOOTABLE, "y"))
NO_BPF = GOOD.replace("CONFIG_BPF_SYSCALL=y", "# CONFIG_BPF_SYSCALL is not set")


def image(path: Path, config: str | None = GOOD) -> Path:
    payload = gzip.compress(vmlinux(config), mtime=0) if config is not None else b"?"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bzimage(payload))
    return path


NOWHERE = Path("/nonexistent")
"""The folder for packages and modules where there are none."""


def only(text: str, packages: Path = NOWHERE) -> UserKernel:
    (kernel,) = resolve(text, VARIANTS, packages)
    assert isinstance(kernel, UserKernel)
    return kernel


@pytest.mark.parametrize("text", [None, ""])
def test_all_variants_by_default(text: str | None) -> None:
    assert resolve(text, VARIANTS, NOWHERE) == tuple(VARIANTS.values())


def test_a_list_keeps_its_order() -> None:
    found = resolve("bpf_prog_pack, upstream", VARIANTS, NOWHERE)
    assert [k.name for k in found] == ["bpf_prog_pack", "upstream"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nosuch", "no kernel 'nosuch'"),
        ("upstraem", "did you mean 'upstream'"),
        ("upstream,,bpf_prog_pack", "empty item"),
        ("upstream,upstream", "uses the name upstream twice"),
        ("a=upstream,a=bpf_prog_pack", "uses the name a twice"),
        ("good=", "no kernel after 'good='"),
        ("=upstream", "'' cannot be a kernel's name"),
        ("a b=upstream", "'a b' cannot be a kernel's name"),
        ("../x=upstream", "'../x' cannot be a kernel's name"),
        ("upstream=/etc/passwd", "upstream is the name of a variant"),
        ("bpf_prog_pack=upstream", "bpf_prog_pack is the name of a variant"),
        ("good=/nowhere/bzImage", "no kernel '/nowhere/bzImage'"),
        ("/etc/passwd", "/etc/passwd is not an x86_64 kernel image"),
        ("/dev/null", "/dev/null is not an x86_64 kernel image"),
    ],
)
def test_what_is_no_kernel_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(text, VARIANTS, NOWHERE)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_names_of_the_users(tmp_path: Path) -> None:
    good, bad = (image(tmp_path / name / "bzImage") for name in ("a", "b"))
    kernels = resolve(f"good={good},bad={bad},base=upstream", VARIANTS, NOWHERE)
    assert [k.name for k in kernels] == ["good", "bad", "base"]
    assert [k.name for k in resolve(f"{good},{bad}", VARIANTS, NOWHERE)] == ["a", "b"]
    other = image(tmp_path / "other/a/bzImage")
    with pytest.raises(UserError, match="uses the name a twice: give each kernel a name"):
        resolve(f"{good},{other}", VARIANTS, NOWHERE)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/x/linux-image-6.1.0-50-amd64-unsigned_6.1.176-1_amd64.deb", "6.1.0-50-amd64"),
        ("/x/linux-binary-7.3.4+deb13-amd64_7.3.4-1~bpo13+1_amd64.deb", "7.3.4+deb13-amd64"),
        ("/boot/vmlinuz-6.1.0-50-amd64", "6.1.0-50-amd64"),
        ("/lib/modules/6.9.1/vmlinuz", "6.9.1"),
        ("/boot/bzImage", "bzImage"),
        ("/bzImage", "bzImage"),
        ("/home/me/my kernel", "my-kernel"),
        ("/home/me/linux-6.9", "linux-6.9"),
        ("/home/me/___", "kernel"),
    ],
)
def test_names_are_of_what_was_given(path: str, name: str) -> None:
    assert naming.default_name(Path(path)) == name


def test_a_file_with_an_equals_sign_in_its_name(tmp_path: Path) -> None:
    path = image(tmp_path / "HZ=250")
    assert only(str(path)).image == path
    assert only(f"named={path}").name == "named"


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (bytes(0x38) + b"ARM\x64", "it is an arm64 kernel image"),
        (b"MZ\0\0zimg", "it is an EFI image with a packed kernel in it, as arm64 has them"),
        (b"\x1f\x8b\x08", "it is a gzip file"),
        (b"\x7fELF", "it is an ELF file: a vmlinux, which QEMU cannot boot"),
    ],
)
def test_images_of_other_machines_are_told_apart(tmp_path: Path, head: bytes, says: str) -> None:
    path = tmp_path / "Image"
    path.write_bytes(head + bytes(4096))
    with pytest.raises(UserError, match=says):
        only(str(path))


def test_a_32_bit_image(tmp_path: Path) -> None:
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage(b"x" * 100, xloadflags=0))
    with pytest.raises(UserError, match="a 32-bit kernel image"):
        only(str(path))


def test_an_image_and_a_truncated_one(tmp_path: Path) -> None:
    path = image(tmp_path / "my kernel")
    found = only(str(path))
    assert found.image == path
    assert found.name == "my-kernel"
    assert found.tree is None
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated"):
        resolve(str(path), VARIANTS, NOWHERE)


def test_a_built_tree_and_its_image_are_the_same(tmp_path: Path) -> None:
    path = image(tmp_path / "linux-6.9/arch/x86/boot/bzImage")
    assert only(str(tmp_path / "linux-6.9")) == only(str(path))
    assert only(str(path)).name == "linux-6.9"


def test_a_folder_without_an_image(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no arch/x86/boot/bzImage and no boot/vmlinuz"):
        resolve(str(tmp_path), VARIANTS, NOWHERE)


def test_adopt_takes_what_lies_in_the_tree(tmp_path: Path) -> None:
    tree = tmp_path / "linux"
    image(tree / "arch/x86/boot/bzImage", None)
    (tree / ".config").write_text(GOOD)
    (tree / "System.map").write_text("0 T _text\n")
    (tree / "kernel").mkdir()
    (tree / "kernel/kheaders_data.tar.xz").write_bytes(b"x")
    kernel = adopt(only(str(tree)), NOWHERE)
    assert kernel.identity.release == "6.1.192"
    assert kernel.config == tree / ".config"
    assert kernel.system_map == tree / "System.map"
    assert kernel.kheaders == tree / "kernel/kheaders_data.tar.xz"
    assert kernel.variant is None
    assert len(kernel.identity.image_sha256) == 64


def test_adopt_takes_what_a_distribution_puts_beside(tmp_path: Path) -> None:
    path = image(tmp_path / "vmlinuz-6.1.192", None)
    (tmp_path / "config-6.1.192").write_text(GOOD)
    (tmp_path / "System.map-6.1.192").write_text("0 T _text\n")
    kernel = adopt(only(str(path)), NOWHERE)
    assert kernel.config == tmp_path / "config-6.1.192"
    assert kernel.system_map == tmp_path / "System.map-6.1.192"
    (tmp_path / "config-6.1.192").write_text(NO_BPF)
    with pytest.raises(UserError, match="built without CONFIG_BPF_SYSCALL"):
        adopt(only(str(path)), NOWHERE)


def test_the_image_of_a_cache_entry_brings_the_rest_of_it(tmp_path: Path) -> None:
    def make(staging: Path) -> cache.Facts:
        image(staging / "bzImage", None)
        (staging / "config").write_text(GOOD)
        (staging / "kheaders.tar.xz").write_bytes(b"x")
        (staging / "modules/lib/modules/6.1.192").mkdir(parents=True)
        return {}

    cache.get_or_make(tmp_path, "k", make, name="kernel x")
    kernel = adopt(only(str(tmp_path / "k/bzImage")), NOWHERE)
    assert kernel.config == tmp_path / "k/config"
    assert kernel.kheaders == tmp_path / "k/kheaders.tar.xz"
    assert kernel.modules == tmp_path / "k/modules"
    assert kernel.btf is None


def test_a_kernel_without_bpf_is_known_by_its_embedded_config(tmp_path: Path) -> None:
    path = image(tmp_path / "bzImage", NO_BPF)
    with pytest.raises(UserError) as caught:
        adopt(only(str(path)), NOWHERE)
    assert str(path) in caught.value.message
    assert "CONFIG_BPF_SYSCALL" in caught.value.message
    assert "\n" not in str(caught.value)


def test_an_image_that_says_nothing_of_its_config_is_taken(tmp_path: Path) -> None:
    kernel = adopt(only(str(image(tmp_path / "bzImage", None))), NOWHERE)
    assert kernel.config is None


def test_bad_images_stop_the_stage_before_anything_is_built(tmp_path: Path) -> None:
    path = image(tmp_path / "bzImage", NO_BPF)
    request = StageRequest(
        variants=VARIANTS, configs=tmp_path, cache=tmp_path / "cache", jobs=1,
        kernels=f"upstream,{path}",
    )  # fmt: skip
    with pytest.raises(UserError, match="CONFIG_BPF_SYSCALL"):
        make_kernels(request)
    assert not (tmp_path / "cache").exists()


def test_a_source_is_for_the_variants_whose_base_it_replaces(tmp_path: Path) -> None:
    later = VariantSpec(name="mainline", title="", role="", base="linux-source-7.3")
    tree = tmp_path / "linux-6.1"
    tree.mkdir()
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 9\n")
    request = StageRequest(
        variants={**VARIANTS, "mainline": later}, configs=tmp_path, cache=tmp_path, jobs=1,
        source=str(tree),
    )  # fmt: skip
    lines: list[str] = []
    found = kernel_requests(request, [VARIANTS["upstream"], later], lines.append)
    assert found["upstream"].source == str(tree)
    assert found["mainline"].source is None
    assert lines == [f"KERNEL_SRC={tree} is not used for mainline: that is linux-source-7.3"]


def test_a_source_that_is_not_there_stops_the_stage_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_source(request: object, say: object) -> None:
        raise PrerequisiteError("no source")

    monkeypatch.setattr(stage, "plan", no_source)
    monkeypatch.setattr(stage, "build_kernel", lambda *_: pytest.fail("something was built"))
    request = StageRequest(variants=VARIANTS, configs=tmp_path, cache=tmp_path, jobs=1)
    with pytest.raises(PrerequisiteError, match="no source"):
        make_kernels(request, bench=False)
