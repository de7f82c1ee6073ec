# SPDX-License-Identifier: GPL-2.0-only
"""Build a variant: base + series + fragments -> bzImage and what belongs to it."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness import cache
from harness.cache import Say, ignore
from harness.errors import InfrastructureError, UserError
from harness.kernel import bootimage, elf, kconfig, pahole, patch_series, recipe, source
from harness.kernel.artefacts import Kernel
from harness.kernel.steps import Listener, Steps, ignore_steps, is_step, keep, kind, last
from harness.model.records import KernelIdentity
from harness.model.specs import VariantSpec
from harness.proc import CommandError, run

NEAR = 60
"""An output tree whose .config differs in at most this many options is built on."""

SOURCE_BYTES = 2 * 2**30
"""Room that an unpacked source takes; measured: 1.4 GB of 6.1, 1.8 GB of 7.3."""

OUTPUT_BYTES = 3 * 2**30
"""Room that a new output tree takes; measured: 1.9 GB of 6.1, 2.8 GB of 7.3."""

REBUILD_BYTES = 2**30
"""Room that another build in an output tree takes, with the object files that ccache keeps."""

_IMAGE = "arch/x86/boot/bzImage"
_COPIES: Mapping[str, str] = {
    "bzImage": _IMAGE,
    "System.map": "System.map",
    "config": ".config",
    "kheaders.tar.xz": "kernel/kheaders_data.tar.xz",
}
"""Name in the cache entry -> path in the output tree; the last may be absent."""


@dataclass(frozen=True, kw_only=True)
class KernelRequest:
    """A variant to build. ``source`` is KERNEL_SRC: None takes the Debian package."""

    variant: VariantSpec
    configs: Path  # holds patches/ and kconfig/
    cache: Path
    jobs: int
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A request with every input read: enough to know the key without building."""

    request: KernelRequest
    tools: recipe.Tools
    source: source.Source
    patches: tuple[patch_series.Patch, ...]
    options: Mapping[str, str]
    key: str

    @property
    def store(self) -> Path:
        return self.request.cache / cache.Kind.KERNELS

    @property
    def work(self) -> Path:
        """Parent of the work trees; resolved, since its path is in every command line."""
        return (self.request.cache / cache.WORK_TREES).resolve()

    @property
    def site(self) -> Path:
        """The work tree of the base."""
        return self.work / source.work_name(self.source)

    @property
    def ccache(self) -> Path | None:
        return self.request.cache / cache.CCACHE if self.tools.ccache else None


def fragments(names: Sequence[str], folder: Path) -> dict[str, str]:
    """The options of the fragments ``names`` in ``folder``, later ones laid over earlier.

    Raises UserError naming the fragment that is not there or the line that is wrong.
    """
    layers: list[dict[str, str]] = []
    for name in names:
        path = folder / name
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            known = ", ".join(sorted(p.name for p in folder.glob("*.config")))
            raise UserError(f"no Kconfig fragment {name!r}", f"known: {known}") from error
        layers.append(kconfig.parse(lines, str(path)))
    return kconfig.merge(layers)


def differences(base: str, folder: Path) -> kconfig.Differences:
    """How the Kconfig of ``base`` differs from the fragments in ``folder``: ``<base>.toml``
    there; a base without one is as the fragments say. Raises UserError when it is wrong."""
    path = folder / f"{base}.toml"
    if not path.is_file():
        return kconfig.Differences()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kconfig.Differences)
    except msgspec.DecodeError as error:
        raise UserError(f"{path}: {error}", "correct the value") from error


def plan(request: KernelRequest, say: Say = ignore) -> Plan:
    """Read every input of the build, downloading what is not there.

    Raises UserError or PrerequisiteError.
    """
    downloads = request.cache / cache.Kind.DEBIAN
    base = source.locate(request.variant.base, request.source, downloads, say)
    toolchain = pahole.for_base(recipe.tools(), request.variant.base, downloads, say)
    return _plan(request, base, toolchain)


def plan_at_hand(request: KernelRequest) -> Plan | None:
    """As ``plan``, from what is on this machine alone; None where something is to be downloaded."""
    downloads = request.cache / cache.Kind.DEBIAN
    base = source.at_hand(request.variant.base, request.source, downloads)
    toolchain = pahole.at_hand(recipe.tools(), request.variant.base, downloads)
    return None if base is None or toolchain is None else _plan(request, base, toolchain)


def _plan(request: KernelRequest, base: source.Source, toolchain: recipe.Tools) -> Plan:
    variant, folder = request.variant, request.configs / "kconfig"
    every = patch_series.load(variant.series, request.configs / "patches")
    patches = every[: variant.patches]
    options = kconfig.adapt(fragments(variant.kconfig, folder), differences(variant.base, folder))
    absent = patch_series.symbols(every) - patch_series.symbols(patches)
    options = {name: value for name, value in options.items() if name not in absent}
    key = recipe.kernel_key(
        variant.base, base.sha256, [p.sha256 for p in patches], options, toolchain
    )
    return Plan(
        request=request, tools=toolchain, source=base, patches=patches, options=options, key=key
    )


def build_kernel(
    request: KernelRequest,
    say: Say = ignore,
    detail: Say = ignore,
    on_steps: Listener = ignore_steps,
) -> Kernel:
    """The kernel of ``request``: from the cache, or built.

    ``say`` gets lines that stay, ``detail`` what a long step does now, ``on_steps`` how far
    the build is.
    Raises UserError (variant, series, fragment), PrerequisiteError (tool, package, room),
    InfrastructureError (a patch that does not apply, a build that breaks).
    """
    todo = plan(request, say)
    name = f"kernel {request.variant.name}"
    entry = cache.get_or_make(
        todo.store,
        todo.key,
        lambda staging: _make(todo, staging, say, detail, on_steps),
        name=name,
        say=say,
        site=todo.site,
    )
    if not entry.cached:
        say(f"{name}: built in {entry.record.seconds:.0f} s")
    return _result(todo, entry)


def _make(todo: Plan, entry: Path, say: Say, detail: Say, on_steps: Listener) -> cache.Facts:
    _check_room(todo)
    tree = source.unpack(todo.source, todo.work, say)
    source.set_series(tree, todo.patches)
    text = _configure(todo, tree)
    out = _output_tree(tree, text)
    _compile(todo, tree, out, say, detail, on_steps)
    return _collect(todo, tree, out, entry)


def _check_room(todo: Plan) -> None:
    """Before a source is unpacked; what a new output tree takes is known later."""
    todo.work.mkdir(parents=True, exist_ok=True)
    started = (todo.site / source.COMPLETE).is_file()
    needed = REBUILD_BYTES if started else SOURCE_BYTES + OUTPUT_BYTES
    cache.require_room(todo.work, needed, f"build kernel {todo.request.variant.name}")


def make_argv(
    todo: Plan, tree: source.WorkTree, out: str, targets: Sequence[str], **variables: str
) -> list[str]:
    """The kbuild command line for ``targets`` in ``tree``."""
    return recipe.make(
        tree.linux,
        out,
        targets,
        jobs=todo.request.jobs,
        btf=recipe.btf_variables(todo.request.variant.base, todo.tools),
        ccache=todo.ccache,
        variables=variables,
    )


def _configure(todo: Plan, tree: source.WorkTree) -> str:
    """The .config that Kconfig makes of tinyconfig and the options; all of them kept."""
    folder = tree.linux / "out-config"
    folder.mkdir(exist_ok=True)
    generated = folder / ".config"
    run(make_argv(todo, tree, folder.name, ["tinyconfig"]))
    tiny = kconfig.parse(generated.read_text().splitlines(), str(generated))
    # Of a choice Kconfig takes the last member it reads: the options come last.
    others = {name: value for name, value in tiny.items() if name not in todo.options}
    generated.write_text(kconfig.render(others) + kconfig.render(todo.options))
    run(make_argv(todo, tree, folder.name, ["olddefconfig"]))
    text = generated.read_text()
    refused = kconfig.refused(todo.options, kconfig.parse(text.splitlines(), str(generated)))
    if refused:
        raise UserError(
            f"variant {todo.request.variant.name}: Kconfig of {tree.version} does not take "
            + ", ".join(map(str, refused)),
            "add what each depends on to a fragment, or take it out",
        )
    return text


def _output_tree(tree: source.WorkTree, text: str) -> str:
    """The output tree to build in, with ``text`` as its .config: the nearest, or a new one.

    What comes out does not depend on the choice, only how much is compiled again.
    """
    wanted = kconfig.parse(text.splitlines(), ".config")
    near: list[tuple[int, str]] = []
    taken = {p.name for p in tree.linux.glob("out-[0-9]*")}
    for name in taken:
        with contextlib.suppress(OSError):
            lines = (tree.linux / name / ".config").read_text().splitlines()
            near.append((kconfig.difference(wanted, kconfig.parse(lines, name)), name))
    distance, out = min(near, default=(NEAR + 1, ""))
    if distance > NEAR:
        cache.require_room(tree.linux, OUTPUT_BYTES, "build a kernel in a new output tree")
        out = next(f"out-{n}" for n in range(len(taken) + 1) if f"out-{n}" not in taken)
        (tree.linux / out).mkdir()
    generated = tree.linux / out / ".config"
    if not generated.is_file() or generated.read_text() != text:
        generated.write_text(text)
    return out


def _has_modules(todo: Plan) -> bool:
    return todo.options.get("CONFIG_MODULES") == "y"


_AFTER_KHEADERS = ("include/generated/utsversion.h", "kernel/kheaders.md5")
"""Made after the archive of the headers, in which a fresh tree has no utsversion.h; one that an
earlier build left would go into it. Without the sums the archive is made anew."""


def _compile(
    todo: Plan, tree: source.WorkTree, out: str, say: Say, detail: Say, on_steps: Listener
) -> None:
    name = todo.request.variant.name
    log = tree.root / f"{name}.log"
    log.unlink(missing_ok=True)
    say(f"kernel {name}: compiling Linux {tree.version} (log: {log})")
    of_kind = kind(todo.request.variant, new_tree=not (tree.linux / out / "vmlinux").is_file())
    expected = last(todo.work, of_kind)
    steps = 0
    first_error = ""
    on_steps(Steps(done=0, expected=expected))

    def on_line(line: str) -> None:
        nonlocal steps, first_error
        if is_step(line):
            steps += 1
            on_steps(Steps(done=steps, expected=expected))
            detail(f"kernel {name}: {steps} steps, {line.split()[-1]}")
        elif not first_error and (" error: " in line or "Error " in line):
            first_error = line.strip()

    targets = ["bzImage", "modules"] if _has_modules(todo) else ["bzImage"]
    for late in _AFTER_KHEADERS:
        (tree.linux / out / late).unlink(missing_ok=True)
    try:
        run(make_argv(todo, tree, out, targets), log=log, on_line=on_line)
    except CommandError as error:
        why = first_error or str(error).splitlines()[-1]
        raise InfrastructureError(f"kernel {name} does not build: {why}", f"see {log}") from error
    keep(todo.work, of_kind, steps)


def _collect(todo: Plan, tree: source.WorkTree, out: str, entry: Path) -> cache.Facts:
    built = tree.linux / out
    for name, where in _COPIES.items():
        if name == "kheaders.tar.xz" and not (built / where).is_file():
            continue
        shutil.copyfile(built / where, entry / name)
    if _has_modules(todo):
        run(
            make_argv(
                todo, tree, out, ["modules_install"],
                INSTALL_MOD_PATH=str(entry / "modules"), INSTALL_MOD_STRIP="1",
            )
        )  # fmt: skip
        # Links to the trees by their absolute paths: wrong in a guest, different elsewhere.
        for link in ("build", "source"):
            for path in (entry / "modules/lib/modules").glob(f"*/{link}"):
                path.unlink()
    if (types := elf.section(built / "vmlinux", ".BTF")) is not None:
        (entry / "vmlinux.btf").write_bytes(types)
    info = bootimage.inspect(entry / "bzImage")
    return {
        "release": info.release,
        "base": tree.version,
        "base_sha256": todo.source.sha256,
        "patches": [f"{p.sha256} {p.name}" for p in todo.patches],
        "gcc": todo.tools.gcc,
        "ld": todo.tools.ld,
        "pahole": todo.tools.pahole,
        "make": todo.tools.make,
        "recipe": recipe.RECIPE,
    }


def _result(todo: Plan, entry: cache.Entry) -> Kernel:
    variant, record, part = todo.request.variant, entry.record, entry.part
    options = kconfig.parse((entry.path / "config").read_text().splitlines(), "config")
    return Kernel(
        identity=KernelIdentity(
            name=variant.name,
            image_sha256=record.files["bzImage"],
            config_sha256=kconfig.digest(options, without=patch_series.symbols(todo.patches)),
            series_sha256=recipe.digest([p.sha256 for p in todo.patches]),
            base=str(record.facts["base"]),
            base_sha256=todo.source.sha256,
            compiler=todo.tools.gcc,
            release=str(record.facts["release"]),
            boot=variant.boot,
        ),
        title=variant.title,
        image=entry.path / "bzImage",
        system_map=part("System.map"),
        config=part("config"),
        options=options,
        kheaders=part("kheaders.tar.xz"),
        modules=part("modules"),
        btf=part("vmlinux.btf"),
        variant=variant,
        cached=entry.cached,
        seconds=record.seconds,
    )
