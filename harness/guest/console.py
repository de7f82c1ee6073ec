# SPDX-License-Identifier: GPL-2.0-only
"""What a guest kernel's console tells: how it failed, and what to note."""

import re
from dataclasses import dataclass

# With CONFIG_PRINTK_CALLER the task or CPU follows the time.
_TIME = re.compile(r"^\[\s*\d+\.\d+\](\[\s*[TC]\d+\])?\s?")

# In the order of how much they explain: the first kind that matches anywhere is the verdict.
FAILURES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("initramfs", re.compile(r"Initramfs unpacking failed|invalid magic at start of compressed")),
    (
        "no_init",
        re.compile(r"No working init found|Requested init .* failed|Unable to mount root fs"),
    ),
    ("out_of_memory", re.compile(r"Out of memory: Killed process|System is deadlocked on memory")),
    ("kasan", re.compile(r"BUG: (KASAN|KFENCE):")),
    (
        "lockdep",
        re.compile(
            r"WARNING: (possible (circular|recursive|irq)|inconsistent lock)|suspicious RCU usage"
            r"|BUG: (sleeping function called from invalid context|scheduling while atomic)"
            r"|BUG: (spinlock|rwlock) |held lock freed"
        ),
    ),
    ("list", re.compile(r"list_(add|del) (corruption|double add)")),
    (
        "lockup",
        re.compile(
            r"(soft|workqueue) lockup|hard LOCKUP|rcu.*self-detected stall|detected stalls on"
        ),
    ),
    ("hung_task", re.compile(r"INFO: task .* blocked for more than")),
    (
        "oops",
        re.compile(
            r"BUG: (unable to handle|kernel NULL pointer)|general protection fault"
            r"|kernel BUG at|Oops:|invalid opcode:|double fault:|BUG: Bad page "
            r"|: [0-9a-f]{4} \[#\d+\]"  # the die counter that every exception report ends in
        ),
    ),
    ("write_execute", re.compile(r"Checked W\+X mappings: FAILED|Found insecure W\+X mapping")),
    ("panic", re.compile(r"Kernel panic - not syncing")),
)
# A line of the console -> what the kernel must be built with, for guests that did not come
# as far as the agent, which looks for itself (agent/requirements.py). All that match are told.
# "init: no X": the guest's first program could not mount X, or it is not there (agent/init).
LACKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^init: no proc$"), "CONFIG_PROC_FS=y"),
    (re.compile(r"^init: no sysfs$"), "CONFIG_SYSFS=y"),
    (re.compile(r"^init: no devtmpfs$"), "CONFIG_DEVTMPFS=y"),
    (re.compile(r"^init: no tmpfs$"), "CONFIG_SHMEM=y and CONFIG_TMPFS=y"),
    (
        re.compile(r"^init: no ttyS1$"),
        "CONFIG_SERIAL_8250=y and CONFIG_SERIAL_8250_NR_UARTS=4 (the agent writes to ttyS1)",
    ),
    (
        re.compile(r"Failed to execute /init \(error -8\)"),
        "CONFIG_64BIT=y, CONFIG_BINFMT_ELF=y and CONFIG_BINFMT_SCRIPT=y",
    ),
)
_NO_ROOT = re.compile(r"Unable to mount root fs|No working init found")
_UNPACKING = re.compile(r"Trying to unpack rootfs image as initramfs|Initramfs unpacking failed")
_NO_DECODER = re.compile(r"compression method (\w+) not configured")

SILENT = (
    "no line on ttyS0: build it with CONFIG_TTY=y, CONFIG_SERIAL_8250=y and "
    "CONFIG_SERIAL_8250_CONSOLE=y"
)
"""What is told of a kernel whose console stayed empty."""

WARNING = re.compile(r"^(WARNING: CPU: \d+ PID: \d+ at .*|WARNING: .*)$")
STOP = re.compile(r"Kernel panic - not syncing|end Kernel panic")


@dataclass(frozen=True)
class Verdict:
    """How a guest failed: the kind, and the line that says so."""

    kind: str
    line: str


def lines(text: str) -> list[str]:
    """The console's lines without time stamps and carriage returns."""
    return [_TIME.sub("", line.rstrip("\r")) for line in text.split("\n")]


def worst(text: str) -> Verdict | None:
    """The failure that explains the most; None when the console shows none."""
    console_lines = lines(text)
    for kind, pattern in FAILURES:
        for line in console_lines:
            if pattern.search(line):
                return Verdict(kind, line.strip())
    return None


def lacks(text: str) -> str:
    """Options that the kernel must be built with, by what its console shows; "" for none."""
    shown = lines(text)
    options = [o for pattern, o in LACKS if any(pattern.search(line.strip()) for line in shown)]
    options += [
        f"CONFIG_RD_{match[1].upper()}=y" for match in map(_NO_DECODER.search, shown) if match
    ]
    if _NO_ROOT.search(text) and not _UNPACKING.search(text):
        options.append("CONFIG_BLK_DEV_INITRD=y (it took no initramfs)")
    return "; ".join(dict.fromkeys(options))


def explained(message: str, text: str) -> str:
    """``message`` with the options that the console ``text`` tells that the kernel lacks."""
    options = lacks(text)
    return f"{message}: build this kernel with {options}" if options else message


def taints(text: str) -> list[str]:
    """What the kernel warned of that did not end the trial, each once: the kernel that was
    measured is not one that is well."""
    warnings = [line.strip() for line in lines(text) if WARNING.match(line.strip())]
    return list(dict.fromkeys(warnings))


def tail(text: str, count: int) -> list[str]:
    """The last ``count`` lines that are not empty."""
    return [line for line in lines(text) if line.strip()][-count:]


class Watcher:
    """Looks at a console as it grows; tells when the guest is beyond help."""

    def __init__(self) -> None:
        self._rest = ""

    def __call__(self, grown: bytes) -> str | None:
        """The line that ends the guest, once it is whole; None while there is none."""
        *whole, self._rest = (self._rest + grown.decode(errors="replace")).split("\n")
        for line in whole:
            if STOP.search(line):
                return _TIME.sub("", line.strip())
        return None
