# SPDX-License-Identifier: GPL-2.0-only
"""What the user means by ``KERNEL=``: variants, images, built trees, packages."""

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path

from harness.cache import Say, ignore
from harness.errors import UserError
from harness.kernel import bootimage, naming, package
from harness.kernel.artefacts import RunningKernel, UserKernel
from harness.model.specs import VariantSpec

_TREE_IMAGE = "arch/x86/boot/bzImage"

Chosen = VariantSpec | UserKernel | RunningKernel


def resolve(
    text: str | None,
    variants: Mapping[str, VariantSpec],
    packages: Path,
    say: Say = ignore,
) -> tuple[Chosen, ...]:
    """The kernels named by ``text`` (see ``naming.parse``), in order; None or "": all variants
    but those that are built by name only.

    Images are checked, packages are unpacked below ``packages``, nothing is built. A variant
    under a name of the user's is that variant with another name. Raises UserError naming what
    is not a kernel, and two kernels with one name.
    """
    if not text:
        return tuple(spec for spec in variants.values() if not spec.by_name_only)
    chosen: list[Chosen] = []
    for word in naming.parse(text):
        kernel = _chosen(word, variants, packages, say)
        if any(kernel.name == other.name for other in chosen):
            raise UserError(
                f"KERNEL={text!r} uses the name {kernel.name} twice",
                f"give each kernel a name of its own, like {naming.EXAMPLE}",
            )
        chosen.append(kernel)
    return tuple(chosen)


def _chosen(
    word: naming.Word, variants: Mapping[str, VariantSpec], packages: Path, say: Say
) -> Chosen:
    if word.name in variants and word.name != word.value:
        raise UserError(
            f"KERNEL={word.name}={word.value}: {word.name} is the name of a variant",
            "choose another name",
        )
    if word.value in variants:
        spec = variants[word.value]
        return dataclasses.replace(spec, name=word.name or spec.name)
    if word.value == naming.LOCAL:
        return RunningKernel(name=word.name or naming.LOCAL)
    return _user_kernel(word, variants, packages, say)


def _user_kernel(
    word: naming.Word, variants: Mapping[str, VariantSpec], packages: Path, say: Say
) -> UserKernel:
    remedy = (
        f"give a variant ({', '.join(variants) or 'none'}), a bzImage or vmlinuz, a built kernel "
        "tree's folder, a Debian package of a kernel, or local, the one that is running"
    )
    path = Path(word.value).expanduser()
    if not path.exists():
        close = difflib.get_close_matches(word.value, variants, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"no kernel {word.value!r}", hint + remedy)
    path = path.resolve()
    image, tree = path, None
    if path.name.endswith(package.SUFFIX) and path.is_file():
        image = _only_image(package.unpack(path, packages, say), path)
    elif path.is_dir():
        image = path / _TREE_IMAGE
        tree = path if image.is_file() else None
        if tree is None:
            image = _image_of_folder(path, remedy)
    elif str(path).endswith("/" + _TREE_IMAGE):
        path = tree = path.parents[3]
    bootimage.inspect(image, remedy)
    return UserKernel(name=word.name or naming.default_name(path), image=image, tree=tree)


def _image_of_folder(folder: Path, remedy: str) -> Path:
    """The image in an unpacked package; a folder without any is taken for an unbuilt tree."""
    if not package.images(folder):
        raise UserError(
            f"{folder} holds no {_TREE_IMAGE} and no boot/vmlinuz-*", f"build it first; or {remedy}"
        )
    return _only_image(folder, folder)


def _only_image(root: Path, named: Path) -> Path:
    images = package.images(root)
    if len(images) > 1:
        names = ", ".join(str(image.relative_to(root)) for image in images)
        raise UserError(f"{named} holds {len(images)} kernels: {names}", "name one of these files")
    return images[0]
