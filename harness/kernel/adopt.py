# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of the user's own with what lies beside it: configuration, modules, headers."""

from dataclasses import dataclass
from pathlib import Path

from harness import cache
from harness.cache import Say
from harness.errors import UserError
from harness.kernel import bootimage, kconfig, module_trees
from harness.kernel.artefacts import Kernel, UserKernel
from harness.model.records import KernelIdentity
from harness.scratch import scratch


@dataclass(frozen=True, kw_only=True)
class _Config:
    """A .config and its file; None: it is embedded in the image."""

    path: Path | None
    options: kconfig.Options


def adopt(chosen: UserKernel, store: Path, say: Say = cache.ignore) -> Kernel:
    """``chosen`` ready to boot; modules of a built tree are copied below ``store``.

    Raises UserError when its configuration, where it can be known (the tree's .config,
    config-<release> beside the image, or the one embedded in it), lacks what every guest needs.
    """
    info = bootimage.inspect(chosen.image)
    config = _config_of(chosen, info)
    if config is not None and (absent := kconfig.lacking(config.options)):
        reasons = ", ".join(f"{option} ({kconfig.BOOTABLE[option]})" for option in absent)
        raise UserError(
            f"kernel {chosen.name} ({chosen.image}): built without {reasons}",
            "build it with these options as y",
        )
    path = config.path if config is not None else None
    return Kernel(
        identity=KernelIdentity(
            name=chosen.name,
            image_sha256=cache.sha256_file(chosen.image),
            config_sha256=kconfig.digest(config.options) if config is not None else "",
            release=info.release,
        ),
        title=f"{chosen.image.name} {info.release}".strip(),
        image=chosen.image,
        system_map=_beside(chosen, info, "System.map"),
        config=path,
        options=config.options if config is not None else None,
        kheaders=_in_tree(chosen.tree, "kernel/kheaders_data.tar.xz")
        or _in_entry(chosen, "kheaders.tar.xz"),
        modules=_modules_of(chosen, info, store, say),
        btf=_in_entry(chosen, "vmlinux.btf"),
        cached=True,
    )


def _modules_of(
    chosen: UserKernel, info: bootimage.ImageInfo, store: Path, say: Say
) -> Path | None:
    if chosen.tree is not None:
        return module_trees.of_tree(chosen.tree, info.release, store, say)
    return _in_entry(chosen, "modules") or module_trees.beside(chosen.image, info.release)


def _in_entry(chosen: UserKernel, name: str) -> Path | None:
    """The part ``name`` of the cache entry that the image belongs to, if it is in one."""
    entry = cache.take(chosen.image.parent)
    return entry.part(name) if entry is not None else None


def _in_tree(tree: Path | None, name: str) -> Path | None:
    return tree / name if tree is not None and (tree / name).is_file() else None


def _beside(chosen: UserKernel, info: bootimage.ImageInfo, name: str) -> Path | None:
    if path := _in_tree(chosen.tree, name):
        return path
    # Beside boot/vmlinuz-<release> its name ends in the release; in lib/modules/<release> not.
    inside = info.release and chosen.image.parent.name == info.release
    path = chosen.image.with_name(name if inside else f"{name}-{info.release}")
    if info.release and path.is_file():
        return path
    return _in_entry(chosen, name)


def _config_of(chosen: UserKernel, info: bootimage.ImageInfo) -> _Config | None:
    path = _in_tree(chosen.tree, ".config") or _beside(chosen, info, "config")
    if path is not None:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return _Config(path=path, options=kconfig.parse(lines, str(path)))
    with scratch() as folder:
        plain = bootimage.unpack(info, folder)
    text = bootimage.find_config(plain) if plain is not None else None
    if text is None:
        return None
    return _Config(path=None, options=kconfig.parse(text.splitlines(), str(chosen.image)))
