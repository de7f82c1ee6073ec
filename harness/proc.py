# SPDX-License-Identifier: GPL-2.0-only
"""The one door for subprocesses.

Every command of the program goes through ``run`` (to its end) or ``start`` (in the
background): argument vectors only, no shell reads them; output teed to a log when asked;
a timeout kills the whole process group; leaving the program kills what it started.
"""

import atexit
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import InfrastructureError, PrerequisiteError

_live: set["Process"] = set()


def tail(text: str, lines: int = 15) -> str:
    """The last ``lines`` non-empty lines of ``text``."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


class CommandError(InfrastructureError):
    """A command ended with a status other than 0; ``output`` holds what it printed."""

    def __init__(self, argv: Sequence[str], returncode: int, output: str, log: Path | None) -> None:
        where = f" (whole output in {log})" if log else ""
        super().__init__(
            f"`{shlex.join(argv)}` ended with {returncode}{where}", detail=tail(output)
        )
        self.argv = tuple(argv)
        self.returncode = returncode
        self.output = output


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that has ended. ``stdout`` and ``stderr`` are text; ``seconds`` wall time."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Process:
    """A command in the background, in a process group of its own."""

    def __init__(self, argv: Sequence[str], popen: "subprocess.Popen[bytes]") -> None:
        self.argv = tuple(argv)
        self._popen = popen

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        return self._popen.stdin

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """Exit status, or None if ``timeout`` seconds pass first."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_end(self) -> bool:
        """SIGTERM to its process group; whether there was one."""
        try:
            os.killpg(self._popen.pid, signal.SIGTERM)
        except ProcessLookupError:
            return False
        return True

    def stop(self, grace: float = 2.0) -> int:
        """End the process group: SIGTERM, then SIGKILL after ``grace`` seconds."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            if self._popen.poll() is not None:
                break
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, sig)
            self.wait(grace)
        return self._popen.wait()


def stop_all() -> None:
    """End every command that runs now, whichever thread waits for it."""
    for process in list(_live):
        process.stop(grace=0.5)


atexit.register(stop_all)


@contextmanager
def start(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = subprocess.DEVNULL,
    own_group: bool = True,
) -> Iterator[Process]:
    """Run ``argv`` in the background for the length of the with block, then stop it.

    ``own_group=False`` leaves it in the terminal's foreground group (interactive use).
    Raises PrerequisiteError when the program is not installed.
    """
    try:
        popen = subprocess.Popen(
            [*_ends_with_us(argv), *argv],
            cwd=cwd,
            env={**os.environ, **env} if env else None,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=own_group,
        )
    except FileNotFoundError as error:
        raise _missing(argv, error) from error
    process = Process(argv, popen)
    _live.add(process)
    try:
        yield process
    finally:
        process.stop()
        _live.discard(process)


def _ends_with_us(argv: Sequence[str]) -> tuple[str, ...]:
    """What has the kernel kill the command when the thread that started it is no more, however it
    went: SIGKILL of this process leaves nobody to do so.

    A process that is gone before the kernel was asked is noticed by who the parent then is.
    """
    if shutil.which("setpriv") is None or shutil.which(argv[0]) is None:
        return ()
    asked = ("setpriv", "--pdeathsig", "KILL", "--")
    return (*asked, "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid()))


@contextmanager
def ended_with_us(process: Process) -> Iterator[None]:
    """Has ``process`` killed when this one is no more, also where it has changed its user since it
    was started: the kernel then forgets what ``start`` asked of it (prctl(2), PR_SET_PDEATHSIG).
    """
    watcher = subprocess.Popen(
        ["sh", "-c", 'read -r _; kill -s KILL "$0"', str(process.pid)],
        stdin=subprocess.PIPE,  # its end is ours
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watcher.kill()
        watcher.wait()
        if watcher.stdin is not None:
            watcher.stdin.close()


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    input: str | None = None,
    log: Path | None = None,
    check: bool = True,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run ``argv`` to its end and return what it printed.

    ``env`` adds to the environment; ``timeout`` is in seconds of wall time; with ``log``
    standard output and error go to that file (appended) and ``stdout`` holds both;
    ``on_line`` is called with each line of that log as it appears.
    Raises CommandError on a non-zero status (``check``) or a timeout, PrerequisiteError
    when the program is not installed.
    """
    began = time.monotonic()
    merged = log is not None or on_line is not None
    try:
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**os.environ, **env} if env else None,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _missing(argv, error) from error
    process = Process(argv, popen)
    _live.add(process)
    out, err = b"", b""
    try:
        if merged:
            out = _pump(popen, log, on_line, timeout)
        else:
            out, err = popen.communicate(input.encode() if input is not None else None, timeout)
    except subprocess.TimeoutExpired:
        process.stop()
        raise CommandError(argv, -1, f"timed out after {timeout:g} s; killed", log) from None
    finally:
        process.stop()
        _live.discard(process)
    done = Completed(
        argv=tuple(argv),
        returncode=popen.returncode,
        stdout=out.decode(errors="replace"),
        stderr=err.decode(errors="replace"),
        seconds=time.monotonic() - began,
    )
    if check and done.returncode != 0:
        raise CommandError(argv, done.returncode, done.stderr or done.stdout, log)
    return done


def _pump(
    popen: "subprocess.Popen[bytes]",
    log: Path | None,
    on_line: Callable[[str], None] | None,
    timeout: float | None,
) -> bytes:
    assert popen.stdout is not None
    lines: list[bytes] = []
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        Process((), popen).stop()

    timer = threading.Timer(timeout, expire) if timeout is not None else None
    if timer:
        timer.daemon = True
        timer.start()
    sink = log.open("ab") if log else None
    try:
        for line in popen.stdout:
            lines.append(line)
            if sink:
                sink.write(line)
                sink.flush()
            if on_line:
                on_line(line.decode(errors="replace").rstrip("\n"))
        popen.wait()
    finally:
        if timer:
            timer.cancel()
        if sink:
            sink.close()
    if expired.is_set():
        assert timeout is not None
        raise subprocess.TimeoutExpired(popen.args, timeout)
    return b"".join(lines)


def _missing(argv: Sequence[str], error: FileNotFoundError) -> BaseException:
    if error.filename is not None and shutil.which(argv[0]) is not None:
        return error
    return PrerequisiteError(f"{argv[0]} is not installed", "run `make setup`")
