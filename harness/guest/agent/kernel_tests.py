# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tests: modules that test when they are loaded, and BPF self-tests.

A verdict is ``pass``, ``fail`` or ``skip``, by the test's name. Whatever leaves no verdict
(a crash, a hang, a count that does not agree) is a failure that says so.
"""

import os
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .workload_api import Context, WorkloadFailed

PASS, FAIL, SKIP = "pass", "fail", "skip"
SELFTESTS = Path("/opt/selftests")
LIMIT_S = 600.0
"""Guest time after which one test program counts as hung."""


@dataclass(frozen=True)
class Results:
    """What a log tells: verdicts by name, and the output of the failing ones."""

    verdicts: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)


def merged(parts: Iterable[Results]) -> Results:
    """All of ``parts``. A test that was run several times failed if it failed once."""
    order = (FAIL, PASS, SKIP)
    verdicts: dict[str, str] = {}
    output: dict[str, str] = {}
    for part in parts:
        for name, word in part.verdicts.items():
            verdicts[name] = min(verdicts.get(name, word), word, key=order.index)
        output |= part.output
    return Results(verdicts, output)


def report(ctx: Context, results: Results) -> None:
    """Tell the host every verdict and how many there are of each; keep what failures printed."""
    if not results.verdicts:
        raise WorkloadFailed("no test was run")
    ctx.verdicts(results.verdicts)
    count = Counter(results.verdicts.values())
    ctx.emit("test.passed", count[PASS], "test")
    ctx.emit("test.failed", count[FAIL], "test")
    ctx.emit("test.skipped", count[SKIP], "test")
    text = "".join(
        f"== {name}\n{output.rstrip()}\n" for name, output in sorted(results.output.items())
    )
    if text:
        ctx.keep("failures.txt", text.encode(errors="replace"))


# Test modules


class KernelLog:
    """What the kernel logs between entering and leaving: ``lines`` without prefixes."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.lost = False
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> "KernelLog":
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._reader.join()
        os.close(self._fd)

    def _read(self) -> None:
        while True:
            ended = self._ended.wait(0.02)  # before the last look, not after it
            while True:
                try:
                    add_record(self.lines, os.read(self._fd, 8192).decode(errors="replace"))
                except BlockingIOError:
                    break
                except BrokenPipeError:
                    self.lost = True
            if ended:
                return


def add_record(lines: list[str], record: str) -> None:
    """Add a record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg) to ``lines``."""
    prefix, _, text = record.partition(";")
    text = text.partition("\n")[0]
    flags = prefix.split(",")[3:4]
    if flags == ["c"] and lines:
        lines[-1] += text
    else:
        lines.append(text)


def module_log(module: str, options: Sequence[str], refuses: str = "") -> list[str]:
    """What the kernel logs while ``module`` is loaded with ``options``, and removed again.

    ``refuses``: what modprobe says when a module that always refuses to stay has run.
    A module that says no more than that a test failed is removed by the kernel itself.
    """
    with KernelLog() as log:
        done = subprocess.run(
            ["modprobe", module, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=3600,
        )
        if done.returncode == 0:
            subprocess.run(["modprobe", "-r", module], check=True, timeout=600)
    stderr = done.stdout.decode(errors="replace").strip()
    if "not found" in stderr:
        raise WorkloadFailed(f"this kernel has no module {module}: {stderr}")
    if refuses and refuses not in stderr:
        raise WorkloadFailed(f"modprobe {module} ended with {done.returncode}: {stderr}")
    if log.lost:
        raise WorkloadFailed(f"{module} logs faster than its log was read")
    return log.lines


_BPF_TEST = re.compile(r"test_bpf: #(\d+) (.*?) ?(?:jited:\d.*)?$")
_BPF_SUMMARY = re.compile(r"Summary: (\d+) PASSED, (\d+) FAILED(?:, \[(\d+)/(\d+) JIT'ed\])?")


def parse_test_bpf(suite: str, lines: Iterable[str]) -> tuple[Results, int, int]:
    """Verdicts of lib/test_bpf.c; how many programs were JITed, and how many were run.

    Raises WorkloadFailed when they are not as many as the module's own summary says.
    """
    results = Results()
    summary = None
    for line in lines:
        if match := _BPF_SUMMARY.search(line):
            summary = [int(n or 0) for n in match.groups()]
        elif match := _BPF_TEST.match(line):
            words = re.split(r" (?:PASS|FAIL)\b", match[2])[0]
            name = f"{suite} #{match[1]} {words.strip()}"
            results.verdicts[name] = PASS if line.split()[-1] == "PASS" else FAIL
            if results.verdicts[name] is FAIL:
                results.output[name] = line
    if summary is None:
        raise WorkloadFailed(f"{suite} did not come to its summary")
    passed = sum(word == PASS for word in results.verdicts.values())
    if [passed, len(results.verdicts) - passed] != summary[:2]:
        raise WorkloadFailed(
            f"{suite} says {summary[0]} passed and {summary[1]} failed, its lines say "
            f"{passed} and {len(results.verdicts) - passed}"
        )
    return results, summary[2], summary[3]


_VMALLOC = re.compile(r"Summary: (\w+) passed: (\d+) failed: (\d+) ")


def parse_vmalloc(lines: Iterable[str]) -> Results:
    """Verdicts of lib/test_vmalloc.c: a summary for each test and thread."""
    parts = [
        Results(
            {match[1]: PASS if int(match[2]) and not int(match[3]) else FAIL},
            {} if not int(match[3]) else {match[1]: line},
        )
        for line in lines
        if (match := _VMALLOC.search(line))
    ]
    return merged(parts)


_EXECMEM = re.compile(r"test_execmem: (\w+): (ok|FAILED.*)$")


def parse_execmem(lines: Iterable[str]) -> Results:
    """Verdicts of lib/test_execmem.c: a line for each test."""
    results = Results()
    for line in lines:
        if match := _EXECMEM.search(line):
            results.verdicts[match[1]] = PASS if match[2] == "ok" else FAIL
            if match[2] != "ok":
                results.output[match[1]] = line
    return results


# BPF self-tests

_PROG_TEST = re.compile(r"^#\d+(?:/\d+)? +(\S.*):(OK|FAIL|SKIP)$")
_WORDS = {"OK": PASS, "FAIL": FAIL, "SKIP": SKIP}


def parse_test_progs(test: str, text: str, ended: str) -> Results:
    """Verdicts of one run of test_progs for ``test`` and its subtests.

    ``ended`` says how the program ended, "" when it did as it should.
    """
    results = Results()
    for line in text.splitlines():
        if match := _PROG_TEST.match(line.strip()):
            results.verdicts[match[1].replace(" ", "_")] = _WORDS[match[2]]
    if ended or test not in results.verdicts:
        results.verdicts[test] = FAIL
        results.output[test] = f"{text[-4000:]}\n{ended or 'no verdict'}"
    elif results.verdicts[test] == FAIL:
        results.output[test] = text[-4000:]
    return results


def selftest_names() -> list[str]:
    """The tests that test_progs holds; makes the programs that they call findable."""
    ping = Path("/usr/bin/ping")
    if not ping.exists():
        ping.symlink_to("/usr/bin/busybox")
    argv = [str(SELFTESTS / "test_progs"), "--list"]
    done = subprocess.run(argv, cwd=SELFTESTS, capture_output=True, check=False, timeout=120)
    names = [line.strip() for line in done.stdout.decode().splitlines()]
    if not names:
        raise WorkloadFailed(f"test_progs lists no test: {done.stderr.decode()[-300:]}")
    return names


def run_selftest(test: str, wrapper: Sequence[str] = ()) -> Results:
    """Run ``test`` in a process of its own, so that its end is only its own."""
    argv = [*wrapper, str(SELFTESTS / "test_progs"), "--allow", test]
    ended = ""
    try:
        done = subprocess.run(
            argv,
            cwd=SELFTESTS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=LIMIT_S,
        )
        output = done.stdout
        if done.returncode < 0:
            ended = f"killed by signal {-done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, ended = error.stdout or b"", f"timed out after {LIMIT_S:g} s"
    return parse_test_progs(test, output.decode(errors="replace"), ended)


def side_by_side(
    tests: Sequence[str], workers: int, run: Callable[[str], Results]
) -> list[tuple[str, Results]]:
    """Run ``tests`` in their order, ``workers`` of them at a time."""
    waiting = list(reversed(tests))
    done: list[tuple[str, Results]] = []

    def work() -> None:
        while True:
            try:
                test = waiting.pop()
            except IndexError:
                return
            done.append((test, run(test)))

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done
