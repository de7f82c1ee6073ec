# SPDX-License-Identifier: GPL-2.0-only
"""Modules loaded and unloaded by several processes at once, while BPF programs are loaded and run.

Only modules without dependencies take part, so that a load is one system call, and any of them
may be loaded by any process at any time.
"""

import ctypes
import errno
import json
import mmap
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from agent import bpf, synthetic
from agent.kernel_tests import FAIL, PASS, KernelLog
from agent.workload_api import Context, WorkloadFailed

NR_FINIT_MODULE, NR_DELETE_MODULE = 313, 176  # x86_64
SOCKET_FILTER = 1  # of enum bpf_prog_type
LEAST_PER_LOADER = 2
"""Modules there must be for each loader: with fewer they only wait for each other."""

LOST = {errno.EEXIST, errno.EBUSY, errno.ENOENT, errno.EAGAIN}
"""What a call says that another process came before: loaded already, being loaded or unloaded,
not loaded any more, in use."""

SPLAT = re.compile(
    r"WARNING:|BUG:|kernel BUG at|Oops|general protection fault|invalid opcode|list_(add|del) "
    r"corruption|INFO: task .* blocked|bpf_prog_pack bug|execmem: unable"
)

OUTPUT = Path("/tmp/modules-race")

_libc = ctypes.CDLL(None, use_errno=True)


def independent(dependencies: str, exclude: str) -> list[str]:
    """Paths in the text of modules.dep that need no other module, but those whose name one of
    the patterns ``exclude`` (with commas) matches; sorted."""
    patterns = [p for p in exclude.split(",") if p]
    paths = []
    for line in dependencies.splitlines():
        path, _, needed = line.partition(":")
        if not needed.strip() and not any(fnmatch(name_of(path), p) for p in patterns):
            paths.append(path)
    return sorted(paths)


def name_of(path: str) -> str:
    """The name by which the kernel knows the module in the file ``path``."""
    return Path(path).name.partition(".ko")[0].replace("-", "_")


def load_module(path: str) -> int:
    """Load the module in the file ``path``; 0 or the error number."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return 0 if _libc.syscall(NR_FINIT_MODULE, fd, b"", 0) == 0 else ctypes.get_errno()
    finally:
        os.close(fd)


def unload_module(name: str) -> int:
    """Unload the module ``name`` if nobody uses it; 0 or the error number."""
    done = _libc.syscall(NR_DELETE_MODULE, name.encode(), os.O_NONBLOCK)
    return 0 if done == 0 else ctypes.get_errno()


def splats(lines: Iterable[str]) -> list[str]:
    """The lines of a kernel log that say that something is wrong with the kernel."""
    return [line.strip() for line in lines if SPLAT.search(line)]


def load_and_unload(paths: list[str], loads: int, rng: Random) -> dict[str, Any]:
    """A loader: as often as ``loads`` a random module is loaded, and another one unloaded."""
    loaded = lost = 0
    failures: dict[str, int] = {}
    for _ in range(loads):
        for call, word in ((load_module, rng.choice(paths)), (_unload_path, rng.choice(paths))):
            error = call(word)
            if error in LOST:
                lost += 1
            elif error:
                text = f"{name_of(word)}: {errno.errorcode.get(error, str(error))}"
                failures[text] = failures.get(text, 0) + 1
            elif call is load_module:
                loaded += 1
    return {"loaded": loaded, "lost": lost, "failures": failures}


def _unload_path(path: str) -> int:
    return unload_module(name_of(path))


def run_programs(kept: int, rng: Random, ended: Callable[[], bool]) -> dict[str, Any]:
    """A churner: loads programs of random sizes and replaces a random one until ``ended``.

    Each is run after it was loaded, and again before it goes: its text must still be its own.
    """
    programs: list[tuple[int, int]] = []
    loaded = wrong = 0
    failures: dict[str, int] = {}

    def drop(program: tuple[int, int]) -> bool:
        differs = bpf.run(program[0]) != program[1]
        os.close(program[0])
        return bool(differs)

    while not ended():
        if len(programs) >= kept:
            wrong += drop(programs.pop(rng.randrange(len(programs))))
        length = 2 + synthetic.jited_bytes(rng) // synthetic.BYTES_PER_INSN
        try:
            fd = bpf.load(SOCKET_FILTER, synthetic.program(length))
        except OSError as error:
            text = errno.errorcode.get(error.errno or 0, str(error))
            failures[text] = failures.get(text, 0) + 1
            continue
        loaded += 1
        wrong += bpf.run(fd) != synthetic.result(length)
        programs.append((fd, synthetic.result(length)))
    wrong += sum([drop(program) for program in programs])
    return {"programs": loaded, "wrong": wrong, "failures": failures}


class Workers:
    """Processes that wait for each other before they begin, and leave a result each."""

    def __init__(self) -> None:
        OUTPUT.mkdir(exist_ok=True)
        self._gate = os.pipe()
        self._children: dict[str, int] = {}
        self._stop = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the children

    def stopped(self) -> bool:
        return self._stop[0] != 0

    def add(self, name: str, work: Callable[[], dict[str, Any]]) -> None:
        """A process that does ``work`` once ``go`` was called."""
        pid = os.fork()
        if pid:
            self._children[name] = pid
            return
        status = 1
        try:
            os.close(self._gate[1])
            os.read(self._gate[0], 1)
            (OUTPUT / name).write_text(json.dumps(work()))
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)

    def go(self) -> None:
        os.close(self._gate[1])

    def results(self, prefix: str) -> list[dict[str, Any]]:
        """What those whose name starts with ``prefix`` came to. Raises WorkloadFailed."""
        documents = []
        for name in [n for n in self._children if n.startswith(prefix)]:
            _, status = os.waitpid(self._children.pop(name), 0)
            if status:
                raise WorkloadFailed(f"process {name} ended with wait status {status}")
            documents.append(json.loads((OUTPUT / name).read_text()))
        return documents

    def stop(self) -> None:
        """Let the churners come to their end."""
        self._stop[0] = 1


def failures_of(results: list[dict[str, Any]]) -> dict[str, int]:
    """Failures of all ``results`` by what failed and why."""
    total: dict[str, int] = {}
    for result in results:
        for text, count in result["failures"].items():
            total[text] = total.get(text, 0) + count
    return total


class Workload:
    def setup(self, ctx: Context) -> None:
        for name, least in (("loads", 1), ("loaders", 1), ("churners", 0), ("kept", 1)):
            if ctx.params[name] < least:
                raise WorkloadFailed(f"{name}={ctx.params[name]}: {least} or more")
        self._paths = self._that_load(ctx)
        least = LEAST_PER_LOADER * ctx.params["loaders"]
        if len(self._paths) < least:
            raise WorkloadFailed(
                f"{len(self._paths)} modules of this kernel can be loaded and unloaded again "
                f"without another: {least} are needed for {ctx.params['loaders']} loaders"
            )

    def _that_load(self, ctx: Context) -> list[str]:
        """Paths of the modules that can be loaded here and unloaded again, one by one."""
        folder = Path("/lib/modules") / os.uname().release
        listing = folder / "modules.dep"
        if not listing.is_file():
            raise WorkloadFailed(f"this kernel has no modules: no {listing}")
        loadable, refused = [], []
        for relative in independent(listing.read_text(), ctx.params["exclude"]):
            path = str(folder / relative)
            if load_module(path) == 0 and unload_module(name_of(path)) == 0:
                loadable.append(path)
            else:
                refused.append(name_of(path))
        if refused:
            ctx.note(f"modules that do not load and unload here: {', '.join(refused)}")
        return loadable

    def warm(self, ctx: Context) -> None:
        """Nothing to warm: every module was loaded once."""

    def measure(self, ctx: Context) -> None:
        params, workers = ctx.params, Workers()
        for number in range(params["loaders"]):
            share = len(range(number, params["loads"], params["loaders"]))
            rng = Random(ctx.rng.random())
            workers.add(f"loader-{number}", partial(load_and_unload, self._paths, share, rng))
        for number in range(params["churners"]):
            rng = Random(ctx.rng.random())
            work = partial(run_programs, params["kept"], rng, workers.stopped)
            workers.add(f"churner-{number}", work)
        with KernelLog() as log:
            workers.go()
            self._loaders = workers.results("loader")
            workers.stop()
            self._churners = workers.results("churner")
            time.sleep(params["settle_s"])
        self._log = log

    def teardown(self, ctx: Context) -> None:
        left = [
            name
            for name in map(name_of, self._paths)
            if unload_module(name) not in (0, errno.ENOENT)
        ]
        wrong = splats(self._log.lines)
        modules, programs = failures_of(self._loaders), failures_of(self._churners)
        not_right = sum(result["wrong"] for result in self._churners)
        ctx.emit("race.modules", len(self._paths), "module")
        ctx.emit("race.loads", sum(r["loaded"] for r in self._loaders), "module")
        ctx.emit("race.lost", sum(r["lost"] for r in self._loaders), "event")
        ctx.emit("race.module_failures", sum(modules.values()), "event")
        ctx.emit("race.not_unloaded", len(left), "module")
        ctx.emit("race.programs", sum(r["programs"] for r in self._churners), "program")
        ctx.emit("race.program_failures", sum(programs.values()), "event")
        ctx.emit("race.wrong_results", not_right, "event")
        if self._log.lost:
            ctx.emit("race.splats", None, "event", {}, "failed", "parts of the kernel log are lost")
        else:
            ctx.emit("race.splats", len(wrong), "event")
        ctx.verdicts(
            {
                "every module loads": FAIL if modules or left else PASS,
                "every program loads": FAIL if programs else PASS,
                "every program runs as it was written": FAIL if not_right else PASS,
                "the kernel log shows no splat": FAIL if wrong or self._log.lost else PASS,
            }
        )
        for text, count in sorted({**modules, **programs}.items()):
            ctx.note(f"failed {count} times: {text}")
        ctx.keep("log.txt", "\n".join(self._log.lines).encode(errors="replace"))
        if wrong:
            raise WorkloadFailed(f"the kernel log shows {len(wrong)} splats: {wrong[0]}")
        time.sleep(ctx.params["settle_s"])
