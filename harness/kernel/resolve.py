# SPDX-License-Identifier: GPL-2.0-only
"""What the user means by ``KERNEL=``: variants, images, built trees; and adopting the latter."""

import difflib
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UserError
from harness.kernel import bootimage, cache, kconfig, source
from harness.kernel.artefacts import Kernel, UserKernel
from harness.model import KernelIdentity, VariantSpec

_TREE_IMAGE = "arch/x86/boot/bzImage"


def resolve(
    text: str | None, variants: Mapping[str, VariantSpec]
) -> tuple[VariantSpec | UserKernel, ...]:
    """The kernels named by ``text`` (comma-separated), in order; None or "": all variants
    but those that are built by name only.

    Images are checked, nothing is built. Raises UserError naming what is no kernel.
    """
    if not text:
        return tuple(spec for spec in variants.values() if not spec.by_name_only)
    chosen: list[VariantSpec | UserKernel] = []
    for part in text.split(","):
        word = part.strip()
        if not word:
            raise UserError(f"KERNEL={text!r} has an empty name", f"known: {_known(variants)}")
        found = variants[word] if word in variants else _user_kernel(word, variants)
        if any(found.name == other.name for other in chosen):
            raise UserError(f"KERNEL={text!r} names {found.name} twice", "name each kernel once")
        chosen.append(found)
    return tuple(chosen)


def _known(variants: Mapping[str, VariantSpec]) -> str:
    return ", ".join(variants) or "none"


def _user_kernel(word: str, variants: Mapping[str, VariantSpec]) -> UserKernel:
    remedy = f"give a variant ({_known(variants)}), a bzImage or a built kernel tree's folder"
    path = Path(word).expanduser()
    if not path.exists():
        close = difflib.get_close_matches(word, variants, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"no kernel {word!r}", hint + remedy)
    path = path.resolve()
    tree = None
    if path.is_dir():
        tree = path
        path = tree / _TREE_IMAGE
        if not path.is_file():
            raise UserError(f"{tree} holds no {_TREE_IMAGE}", f"build it first; or {remedy}")
    elif str(path).endswith("/" + _TREE_IMAGE):
        tree = path.parents[3]
    bootimage.inspect(path, remedy)
    return UserKernel(name=user_name(tree or path, source.file_sha256(path)), image=path, tree=tree)


def user_name(path: Path, sha256: str) -> str:
    """A name for the user's kernel: that of its file or folder, and the image's hash.

    Fit for a file name; two builds in one place get two names.
    """
    plain = re.sub(r"[^A-Za-z0-9._+]+", "-", path.name).strip("-.") or "kernel"
    return f"{plain}-{sha256[:8]}"


def adopt(chosen: UserKernel) -> Kernel:
    """The user's kernel with what lies beside it.

    Raises UserError when its configuration, where it can be known (the tree's .config,
    config-<release> beside the image, or the one embedded in it), lacks what a trial needs.
    """
    info = bootimage.inspect(chosen.image)
    config_path, config = _config_of(chosen, info)
    if config is not None:
        absent = kconfig.lacking(
            kconfig.parse(config.splitlines(), str(config_path or chosen.image))
        )
        if absent:
            reason = kconfig.BOOTABLE[absent[0]]
            raise UserError(
                f"{chosen.image}: built without {', '.join(absent)} ({reason})",
                "build it with these options as y",
            )
    image_sha256 = source.file_sha256(chosen.image)
    return Kernel(
        identity=KernelIdentity(
            name=chosen.name,
            image_sha256=image_sha256,
            config_sha256=kconfig.digest(
                kconfig.parse(config_path.read_text().splitlines(), str(config_path))
            )
            if config_path
            else "",
            release=info.release,
        ),
        title=f"{chosen.image.name} {info.release}".strip(),
        image=chosen.image,
        system_map=_beside(chosen, info, "System.map"),
        config=config_path,
        kheaders=_first(chosen.tree, "kernel/kheaders_data.tar.xz")
        or _in_entry(chosen, "kheaders.tar.xz"),
        modules=_in_entry(chosen, "modules"),
        btf=_in_entry(chosen, "vmlinux.btf"),
        cached=True,
    )


def _in_entry(chosen: UserKernel, name: str) -> Path | None:
    """The part ``name`` of the cache entry that the image belongs to, if it is in one."""
    record = cache.load(chosen.image.parent)
    return chosen.image.parent / name if record is not None and name in record.files else None


def _first(tree: Path | None, name: str) -> Path | None:
    return tree / name if tree is not None and (tree / name).is_file() else None


def _beside(chosen: UserKernel, info: bootimage.ImageInfo, name: str) -> Path | None:
    if found := _first(chosen.tree, name):
        return found
    path = chosen.image.with_name(f"{name}-{info.release}")
    if info.release and path.is_file():
        return path
    return _in_entry(chosen, name)


def _config_of(chosen: UserKernel, info: bootimage.ImageInfo) -> tuple[Path | None, str | None]:
    path = _first(chosen.tree, ".config") or _beside(chosen, info, "config")
    if path is not None:
        return path, path.read_text(encoding="utf-8", errors="replace")
    with tempfile.TemporaryDirectory(prefix="execmem-bench-") as scratch:
        plain = bootimage.unpack(info, Path(scratch))
    return None, bootimage.find_config(plain) if plain is not None else None
