# SPDX-License-Identifier: GPL-2.0-only
"""Whether KVM runs guests here, and on what pages."""

from collections.abc import Callable, Iterator

from harness.doctor.facts import Facts
from harness.doctor.finding import HARDWARE, Area, Finding, Level
from harness.targets.qemu.accel import Accelerator

DEVICE = "/dev/kvm"
VENDOR_MODULES = ("kvm_intel", "kvm_amd")
NX_HUGE_PAGES = "/sys/module/kvm/parameters/nx_huge_pages"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
YES = ("Y", "1", "auto", "force")


def cpu_flags(facts: Facts) -> frozenset[str]:
    """The flags of the first CPU of /proc/cpuinfo."""
    for line in (facts.text("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def modules(facts: Facts) -> tuple[str, ...]:
    """KVM's modules, also those that are built in."""
    return tuple(name for name in facts.names("/sys/module") if name.startswith("kvm"))


def findings(facts: Facts, probe: Callable[[], Accelerator] | None) -> Iterator[Finding]:
    """``probe`` boots a guest under KVM, where the device opens; None: it is not asked."""
    flags, loaded = cpu_flags(facts), modules(facts)
    yield _cpu(flags)
    yield _module(loaded)
    present = DEVICE.rpartition("/")[2] in facts.names("/dev")
    refused = facts.opens(DEVICE) if present else ""
    yield _device(present, refused)
    if probe is not None and present and not refused:
        yield _probe(probe())
    if "hypervisor" in flags:
        yield Finding(
            name="kvm.nested",
            area=Area.KVM,
            title="this machine is a guest itself",
            level=Level.NOTE,
            found="yes",
            wanted="no",
            why="its guests are nested: a walk crosses three page tables, entries are as large as "
            "the smallest of three pages, and counters are those that the outer host lends",
            fix="run on the metal, or say so beside every figure",
        )
    yield from _pages(facts)


def _cpu(flags: frozenset[str]) -> Finding:
    found = [flag for flag in ("vmx", "svm") if flag in flags]
    return Finding(
        name="kvm.cpu",
        area=Area.KVM,
        title="virtualization of the CPU",
        level=Level.OK if found else Level.WRONG if flags else Level.UNKNOWN,
        found=" ".join(found) or ("neither vmx nor svm" if flags else "unknown"),
        wanted="vmx or svm",
        why="without it no guest has page tables of the hardware or its counters",
        fix="" if found else "turn it on in the firmware, or nested in the host around this one",
        needed_by=HARDWARE,
        says="the CPU shows neither vmx nor svm",
    )


def _module(loaded: tuple[str, ...]) -> Finding:
    good = any(name in loaded for name in VENDOR_MODULES)
    others = [name for name in loaded if name not in ("kvm", *VENDOR_MODULES)]
    soft = f", and {', '.join(others)} runs guests without hardware" if others and not good else ""
    return Finding(
        name="kvm.module",
        area=Area.KVM,
        title="module",
        level=Level.OK if good else Level.WRONG,
        found=(", ".join(loaded) or "none") + soft,
        says=f"no module {' or '.join(VENDOR_MODULES)}{soft}",
        wanted=" or ".join(VENDOR_MODULES),
        why="only these two use the hardware's page tables and counters",
        fix="" if good else "modprobe kvm_intel || modprobe kvm_amd",
        needed_by=HARDWARE,
    )


def _device(present: bool, refused: str) -> Finding:
    good = present and not refused
    fix = "modprobe kvm_intel || modprobe kvm_amd" if not present else "usermod -aG kvm $USER"
    return Finding(
        name="kvm.device",
        area=Area.KVM,
        title=DEVICE,
        level=Level.OK if good else Level.WRONG,
        found="does not exist" if not present else refused or "opens",
        says=f"{DEVICE} {'does not exist' if not present else f'does not open: {refused}'}",
        wanted="opens",
        why="QEMU asks the kernel for a guest there; that it opens does not say that guests run",
        fix="" if good else fix,
        needed_by=HARDWARE,
    )


def _probe(verdict: Accelerator) -> Finding:
    return Finding(
        name="kvm.probe",
        area=Area.KVM,
        title="a guest under KVM",
        level=Level.OK if verdict.works else Level.WRONG,
        found=verdict.reason,
        wanted="it runs a boot sector",
        says=verdict.reason,
        detail=verdict.detail,
        why="a device that opens may belong to a KVM that runs nothing here",
        fix="" if verdict.works else "use --mode exact; dmesg | grep -i kvm says more",
        needed_by=HARDWARE,
    )


def _pages(facts: Facts) -> Iterator[Finding]:
    split = facts.text(NX_HUGE_PAGES)
    if split is not None:
        splits = split in YES
        yield Finding(
            name="kvm.nx_huge_pages",
            area=Area.KVM,
            title="guest text on small host pages",
            level=Level.NOTE if splits else Level.OK,
            found=f"nx_huge_pages={split}",
            wanted="N",
            why="where it is on, the host maps guest memory that is executed by 4 kB, and no guest "
            "holds a 2 MB entry of code, whatever its own tables say (iTLB multihit)",
            fix=f"echo N > {NX_HUGE_PAGES} (gives up a mitigation), or model it: --host-page 4k"
            if splits
            else "",
        )
    thp = facts.text(THP)
    chosen = (thp or "").partition("[")[2].partition("]")[0]
    yield Finding(
        name="kvm.thp",
        area=Area.KVM,
        title="large pages under guests",
        level=Level.UNKNOWN if not chosen else Level.OK if chosen != "never" else Level.NOTE,
        found=chosen or "unknown",
        wanted="always or madvise",
        why="guest memory on 4 kB pages of the host makes every entry 4 kB; QEMU asks by madvise",
        fix=f"echo madvise > {THP}" if chosen == "never" else "",
        writes=((THP, "madvise"),),
    )
