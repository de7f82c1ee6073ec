# SPDX-License-Identifier: GPL-2.0-only
"""A bare guest: busybox, bench, a kernel's self-test modules and a script; no agent.

For checks of the kernel alone, on kernels that the guest image may not even start on.
"""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.config import definitions
from harness.image import cpio
from harness.image.compiled import build_program
from harness.kernel import Kernel, StageRequest, make_kernels
from harness.model.trial_settings import Mode
from harness.paths import CONFIGS, WORKLOADS, cache_dir
from harness.targets.qemu.argv import VmRequest
from harness.targets.qemu.session import boot
from harness.tests.golden import DATA

MODULES = ("test_bpf.ko", "test_execmem.ko")
PROGRAMS = (DATA / "kernel/xdp_run.c", WORKLOADS / "churn/churn.c")
"""Sources of the programs in the guest."""
SPLAT = (
    r"WARNING:|BUG:|Oops|Call Trace|INFO: task|possible (circular|recursive)|KASAN: "
    r"|kmemleak: \d+ new"
)
"""What a kernel prints when something is wrong with it."""

PRELUDE = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debugfs /sys/kernel/debug
echo 1 >/proc/sys/net/core/bpf_jit_kallsyms
bpf_symbols() { grep -E 'bpf_(prog|trampoline|dispatcher)_' /proc/kallsyms | grep -F '[bpf]'; }
page_table() { sed "s/^/PT $1 /" /sys/kernel/debug/page_tables/kernel | grep -E ' x  '; }
user_page_table() {
    sed 's/^/USER PT /' /sys/kernel/debug/page_tables/current_user | grep -E ' x  '
}
# 1,024 bytes of the kernel at a hexadecimal address, as words of 8: what a line of a trace holds.
peek() {
    mount -t tracefs tracefs /sys/kernel/tracing
    words=$(for i in 0 1; do printf ' w%d=@0x%x:x64[64]' $i $((0x$1 + i * 512)); done)
    echo "p:peek do_sys_openat2$words" >/sys/kernel/tracing/kprobe_events || return
    echo 1 >/sys/kernel/tracing/events/kprobes/peek/enable
    cat /proc/version >/dev/null
    echo 0 >/sys/kernel/tracing/events/kprobes/peek/enable
    grep -m1 'peek:' /sys/kernel/tracing/trace | sed 's/.*peek: /PEEK /'
    echo >/sys/kernel/tracing/kprobe_events
}
stats() { sed "s/^/STATS $1 /" /sys/kernel/debug/execmem/stats; }
memory() { grep -E '^(DirectMap|Slab)' /proc/meminfo | sed "s/^/MEM $1 /"; }
"""
EPILOGUE = "echo ALL DONE\npoweroff -f\n"


@cache
def kernel(name: str) -> Kernel:
    (made,) = _make(name, bench=False)[0]
    return made


@cache
def bench() -> Path:
    program = _make("bpf_prog_pack", bench=True)[1]
    assert program is not None
    return program


def _make(names: str, *, bench: bool) -> tuple[tuple[Kernel, ...], Path | None]:
    request = StageRequest(
        variants=definitions.variants(),
        configs=CONFIGS,
        cache=cache_dir(),
        jobs=os.cpu_count() or 1,
        kernels=names,
        source=os.environ.get("KERNEL_SRC"),
    )
    made = make_kernels(request, print, bench=bench)
    return tuple(made.kernels), made.bench.path if made.bench else None


def _initramfs(
    made: Kernel, script: str, path: Path, names: Sequence[str], files: Sequence[cpio.Entry]
) -> None:
    modules = [m for name in names for m in (made.modules or Path("/nowhere")).rglob(name)]
    busybox = next(p for p in (Path("/bin/busybox"), Path("/usr/bin/busybox")) if p.exists())
    executable = stat.S_IFREG | 0o755
    entries = [
        *(cpio.directory(name) for name in ("bin", "dev", "proc", "sys")),
        cpio.Entry(name="bin/busybox", mode=executable, source=busybox),
        cpio.Entry(name="bin/bench", mode=executable, source=bench()),
        *(
            cpio.Entry(name=f"bin/{source.stem}", mode=executable, source=build_program(source))
            for source in PROGRAMS
        ),
        *(cpio.Entry(name=m.name, mode=stat.S_IFREG | 0o644, source=m) for m in modules),
        *files,
        cpio.regular("init", (PRELUDE + script + EPILOGUE).encode(), 0o755),
    ]
    with path.open("wb") as out:
        cpio.write(entries, out)


def console_of(
    name: str,
    script: str,
    folder: Path,
    *,
    pti: str = "on",
    append: tuple[str, ...] = (),
    kaslr: bool = False,
    memory_mib: int = 1024,
    timeout_s: float = 200,
    mode: Mode = Mode.EXACT,
    smp: int = 1,
    numa_nodes: int = 1,
    modules: Sequence[str] = MODULES,
    files: Sequence[cpio.Entry] = (),
) -> str:
    """What variant ``name`` printed while it ran ``script``, which must come to its end.

    ``modules`` are in its root, where the kernel has them, and so are ``files``.
    """
    _initramfs(kernel(name), script, folder / "initrd", modules, files)
    vm = VmRequest(
        kernel=kernel(name).image, initrd=folder / "initrd", mode=mode, smp=smp,
        memory_mib=memory_mib, seed=1, pti=pti, console=folder / "console",
        channel=folder / "channel", append=(*kernel(name).identity.boot, *append), kaslr=kaslr,
        numa_nodes=numa_nodes,
    )  # fmt: skip
    ended = boot(vm, timeout_s=timeout_s)
    console = (folder / "console").read_text(errors="replace")
    assert "ALL DONE" in console, f"{ended}\n" + "\n".join(console.splitlines()[-40:])
    return console


@dataclass(frozen=True)
class Booted:
    """What one boot printed. ``live`` are the addresses of BPF text while it was in use: what
    the script printed of ``bpf_symbols`` behind "LIVE "."""

    console: str
    live: dict[str, int]

    def lines(self, prefix: str) -> list[str]:
        return tagged(self.console, prefix)


def booted(name: str, script: str, folder: Path, *, pti: str) -> Booted:
    """Variant ``name`` after it ran ``script`` to its end."""
    console = console_of(name, script, folder, pti=pti)
    live = {}
    for line in tagged(console, "LIVE "):
        address, _, symbol = line.split()[:3]
        live[f"{symbol}@{address}"] = int(address, 16)
    return Booted(console=console, live=live)


def tagged(console: str, tag: str) -> list[str]:
    """The lines that the script printed behind ``tag``, without it."""
    return [x[len(tag) :] for x in console.splitlines() if x.startswith(tag)]


def stats_of(console: str, when: str) -> dict[str, int]:
    """The allocator's statistics that the script printed as ``when``, by name."""
    return {k: int(v) for k, v in map(str.split, tagged(console, f"STATS {when} "))}


def self_test_verdicts(console: str) -> dict[str, str]:
    """Test of the allocator's own test module -> "ok" or "FAILED"."""
    return dict(re.findall(r"test_execmem: (\w+): (ok|FAILED)", console))


def entry_of(table: list[str], address: int) -> str:
    """The line of a page-table dump that covers ``address``; empty when none does."""
    for line in table:
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        if start <= address < end:
            return line
    return ""
