# SPDX-License-Identifier: GPL-2.0-only
"""A population of BPF programs loaded with bcc, under a mixed system-call load."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fleet
from agent import bpf, requirements
from agent.workload_api import Context, WorkloadFailed

HEADERS = "/opt/kernel-headers"
QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "max": 1.0}


@contextmanager
def errors_to(path: Path) -> Iterator[None]:
    """What this process writes to its standard error goes to ``path`` meanwhile: clang, inside
    it, says there what is wrong with a program."""
    saved = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def first_error(text: str) -> str:
    """The first error that clang printed, "" when there is none."""
    return next((line.strip() for line in text.splitlines() if "error:" in line), "")


class Workload:
    def __init__(self) -> None:
        self._held: list[Any] = []

    def setup(self, ctx: Context) -> None:
        params = ctx.params
        requirements.require(requirements.KPROBES)
        if params["programs"] < 1 or params["drivers"] < 1 or params["turns"] < 1:
            raise WorkloadFailed("programs, drivers and turns are 1 or more")
        if not 0 <= params["share_under_500"] <= params["share_under_2000"] <= 1:
            raise WorkloadFailed("0 <= share_under_500 <= share_under_2000 <= 1")
        chosen = fleet.population(
            ctx.rng,
            params["programs"],
            params["share_under_500"],
            params["share_under_2000"],
            params["largest"],
        )
        module = self._compile(ctx, sorted(set(chosen)))
        before = {program["id"] for program in bpf.programs()}
        for number, size in enumerate(chosen):
            self._attach(ctx, module, f"f{size}", number)
            if (number + 1) % 50 == 0:
                ctx.progress(f"{number + 1} programs attached")
        self._sizes = [
            int(str(program["jited_len"]))
            for program in bpf.programs()
            if program["id"] not in before
        ]
        if len(self._sizes) != len(chosen):
            raise WorkloadFailed(f"{len(self._sizes)} programs are loaded, not {len(chosen)}")

    def warm(self, ctx: Context) -> None:
        ctx.run(["driver", str(ctx.params["drivers"]), "20"])

    def measure(self, ctx: Context) -> None:
        ctx.run_measured(["driver", str(ctx.params["drivers"]), str(ctx.params["turns"])])

    def teardown(self, ctx: Context) -> None:
        for name, q in QUANTILES.items():
            ctx.emit("fleet.jited_bytes", fleet.quantile(self._sizes, q), "B", {"quantile": name})
        shares = []
        for limit, key in ((500, "share_under_500"), (2000, "share_under_2000")):
            got = fleet.share_under(self._sizes, limit)
            ctx.emit("fleet.share_under", round(got, 4), "share", {"bytes": str(limit)})
            shares.append(f"{got:.0%} under {limit} bytes (published {ctx.params[key]:.0%})")
        ctx.progress(f"{len(self._sizes)} programs: {', '.join(shares)}")
        ctx.keep("jited-bytes.txt", "\n".join(map(str, sorted(self._sizes))).encode())
        for descriptor in self._held:
            os.close(descriptor)

    def _compile(self, ctx: Context, wanted: list[int]) -> Any:
        """bcc's module with a function for each size. Raises WorkloadFailed."""
        os.environ["BCC_KERNEL_SOURCE"] = HEADERS
        if not Path(HEADERS).is_dir():
            raise WorkloadFailed("no headers of this kernel, which bcc needs: CONFIG_IKHEADERS=m")
        ctx.progress(f"compiling {len(wanted)} functions with bcc")
        import bcc  # type: ignore[import-not-found]

        errors = Path("/tmp/bcc-errors.txt")
        try:
            with errors_to(errors):
                return bcc.BPF(text=fleet.source(wanted))
        except Exception as error:
            why = first_error(errors.read_text(errors="replace")) or str(error)
            raise WorkloadFailed(
                f"bcc {bcc.__version__} does not compile with the headers of Linux "
                f"{os.uname().release}: {why}"
            ) from error

    def _attach(self, ctx: Context, module: Any, name: str, number: int) -> None:
        """Load ``name`` once more and attach it. Raises WorkloadFailed."""
        from bcc import BPF, lib

        raw = ctx.rng.random() < fleet.RAW_SHARE
        hook = ctx.rng.choice(fleet.RAW_TRACEPOINTS if raw else fleet.KPROBES).encode()
        # bcc loads a function once and remembers it: forgotten, it is loaded again.
        module.funcs.pop(name.encode(), None)
        try:
            loaded = module.load_func(name, BPF.RAW_TRACEPOINT if raw else BPF.KPROBE)
        except Exception as error:
            raise WorkloadFailed(f"program {number} ({name}) did not load: {error}") from error
        if raw:
            attached = lib.bpf_attach_raw_tracepoint(loaded.fd, hook)
        else:
            event = f"fleet_{number}".encode()
            attached = lib.bpf_attach_kprobe(loaded.fd, 0, event, hook, 0, 0)
        if attached < 0:
            raise WorkloadFailed(f"program {number} does not attach to {hook.decode()}")
        self._held += [loaded.fd, attached]
