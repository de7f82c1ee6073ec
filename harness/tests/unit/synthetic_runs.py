# SPDX-License-Identifier: GPL-2.0-only
"""Runs made up for tests of the store, the analysis and the reports.

The figures are invented; they only have the shape of real ones. Nothing outside the tests
imports this.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from harness.model.reading import Reading, Source, Status, unknown
from harness.model.records import (
    SCHEMA_VERSION,
    Failure,
    KernelIdentity,
    Manifest,
    TrialRecord,
    TrialStatus,
)
from harness.model.specs import Scalar, TrialSpec
from harness.model.trial_settings import Counters, Mode, Pcid, Pti
from harness.store.loading import LoadedRun

VARIANTS = ("upstream", "bpf_prog_pack", "execmem")
RATIOS = {"upstream": 1.0, "bpf_prog_pack": 0.76, "execmem": 0.64}
ORIGINS = (
    "user",
    "kernel_image",
    "bpf_prog",
    "bpf_trampoline",
    "bpf_dispatcher",
    "module",
    "ftrace_trampoline",
    "kprobe",
    "other",
)
PAGES_4K = {"upstream": 22, "bpf_prog_pack": 3, "execmem": 0}
PAGES_2M = {"upstream": 0, "bpf_prog_pack": 0, "execmem": 1}


def spec(
    variant: str = "upstream",
    seed: int = 1,
    pti: str = "on",
    *,
    workload: str = "trig-kprobe",
    repeat: int = 0,
    mode: Mode = Mode.EXACT,
    profile: str = "skylake-sp",
    params: dict[str, Scalar] | None = None,
) -> TrialSpec:
    return TrialSpec(
        variant=variant,
        workload=workload,
        seed=seed,
        pti=Pti(pti),
        mode=mode,
        smp=1,
        counters=Counters.MODEL,
        profile=profile,
        pcid=Pcid.TAGGED,
        memory_mib=2048,
        params=params if params is not None else {"instances": 20, "affinity": False},
        repeat=repeat,
    )


def manifest(trials: Sequence[TrialSpec], run: str = "20260101T000000Z-quick-00000000") -> Manifest:
    variants = dict.fromkeys(t.variant for t in trials)
    return Manifest(
        schema=SCHEMA_VERSION,
        run=run,
        created="2026-01-01T00:00:00Z",
        suite="quick",
        program_version="0.1.0",
        program_commit="abcdef012345",
        baseline="upstream",
        kernels=tuple(
            KernelIdentity(
                name=v,
                image_sha256=f"image-{v}",
                config_sha256="config",
                series_sha256=f"series-{v}",
                base="6.1.192",
                base_sha256="base",
                compiler="gcc 12.2.0",
                release="6.1.192",
            )
            for v in variants
        ),
        trials=tuple(trials),
        image_sha256={"base": "layer"},
        plugin_sha256="plugin",
        bench_sha256="bench",
        profile_sha256="profile",
        workload_sha256={t.workload: "workload" for t in trials},
        qemu_version="QEMU emulator version 10.0.2",
        counters_reason="no PMU",
        host={"cpu": "a processor", "os": "Debian GNU/Linux 12 (bookworm)"},
        command=("execmem-bench", "run"),
    )


def counts(rng: random.Random, size: float, pti: str, variant: str) -> dict[str, dict[str, int]]:
    """Counts by reading and origin; ``all`` is their sum."""
    ratio = RATIOS[variant] if pti == "on" else 1.0
    luck = math.exp(rng.gauss(0, 0.03))
    bpf = size * (4 * ratio - 2.2) / 2 if pti == "on" else 40 * size / 60_000
    parts = {
        "itlb.walk_completed_4k": {"user": size * 0.5, "bpf_prog": max(0.0, bpf), "module": 12},
        "itlb.walk_completed_2m_4m": {"kernel_image": size * 0.2 * (2 - ratio)},
        "itlb.stlb_hit": {"user": size * 3, "bpf_prog": 5 * max(0.0, bpf), "kernel_image": size},
        "itlb.walk_completed_1g": {},
    }
    out = {}
    for name, given in parts.items():
        exact = {origin: int(given.get(origin, 0) * luck) for origin in ORIGINS}
        out[name] = {"all": sum(exact.values()), **exact}
    return out


def readings(trial: TrialSpec, *, window: str = "measured") -> tuple[Reading, ...]:
    rng = random.Random(f"{trial.variant}-{trial.pti}-{trial.seed}")
    out: list[Reading] = []

    def add(name: str, value: int | float, unit: str, source: Source, **labels: str) -> None:
        out.append(Reading(name=name, value=value, unit=unit, source=source, labels=labels))

    found = counts(rng, 60_000, trial.pti, trial.variant)
    for name, origins in found.items():
        for origin, value in origins.items():
            add(name, value, "event", Source.MODEL, origin=origin, window=window)
            add(name, value * 3, "event", Source.MODEL, origin=origin, window="run")
    add("window.seconds", 2.0 + rng.random() / 100, "s", Source.MODEL, window=window)
    add("ops", 100_000 + rng.randrange(900), "operation", Source.MODEL, window=window)
    add("insn.kernel", 2_000_000_000, "instruction", Source.MODEL, window=window)
    for instance in range(3):
        hits = 0.05 + rng.randrange(300) / 1e6
        add("bench.hits", hits, "10^6/s", Source.WORKLOAD, instance=str(instance))
    for at in ("baseline", "open", "close", "end"):
        loaded = at in ("open", "close")
        v = trial.variant
        add("bpf.text.pages_4k", PAGES_4K[v] * loaded, "page", Source.KERNEL, at=at)
        add("bpf.text.pages_2m", PAGES_2M[v] * loaded, "page", Source.KERNEL, at=at)
        add("bpf.text.mapped_bytes", PAGES_4K[v] * 4096 * loaded, "B", Source.KERNEL, at=at)
        add("wx.mappings", 0, "mapping", Source.KERNEL, at=at)
        add("direct_map.4k", 8192 + 2048 * (v == "upstream"), "kB", Source.KERNEL, at=at)
    add("context_switches", 186 + rng.randrange(4), "event", Source.KERNEL, phase="window")
    for phase in ("load", "window", "unload"):
        add("tlb.remote_flush", 0, "event", Source.KERNEL, phase=phase)
        add("direct_map.splits_2m", 3 * (phase == "load"), "event", Source.KERNEL, phase=phase)
    out.append(
        unknown(
            "direct_map.1g",
            "kB",
            Source.KERNEL,
            Status.NOT_SUPPORTED,
            "no line DirectMap1G in /proc/meminfo",
            {"at": "close"},
        )
    )
    return tuple(out)


def record(trial: TrialSpec) -> TrialRecord:
    return TrialRecord(
        schema=SCHEMA_VERSION,
        trial=trial.id,
        spec=trial,
        status=TrialStatus.OK,
        readings=readings(trial),
        windows={"0": "run", "1": "measured"},
        notes=("bench ran without -a: one vCPU",),
        started="2026-01-01T00:00:10Z",
        wall_seconds=31.25,
    )


def failed(trial: TrialSpec) -> TrialRecord:
    return replace(
        record(trial),
        status=TrialStatus.FAILED,
        readings=(),
        windows={},
        failure=Failure(kind="panic", message="Kernel panic - not syncing: Fatal exception"),
    )


def run(
    *,
    variants: Sequence[str] = VARIANTS,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    pti: Sequence[str] = ("on", "off"),
    fail: Sequence[str] = (),
    name: str = "20260101T000000Z-quick-00000000",
) -> LoadedRun:
    """A whole run; trials whose id is in ``fail`` have failed."""
    trials = [spec(v, s, p) for s in seeds for p in pti for v in variants]
    made = tuple(failed(t) if t.id in fail else record(t) for t in trials)
    return LoadedRun(manifest(trials, name), made, ())
