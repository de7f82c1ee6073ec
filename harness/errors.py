# SPDX-License-Identifier: GPL-2.0-only
"""Every error the program raises on purpose, and the exit code it ends with.

One base class, caught once, in the command line. The message is one line that names
the value at fault; ``remedy`` says how to mend it.
"""

from harness.printable import one_line, printable

EXIT_REGRESSION = 1
EXIT_BAD_INPUT = 2
EXIT_PREREQUISITE = 3
EXIT_TRIAL_FAILED = 4
EXIT_INTERRUPTED = 130


class BenchError(Exception):
    """Base of all errors with a message for the user.

    ``message`` is one line and names the offending value; ``remedy`` is one line that
    says what to do (may be empty when the message already does). What of them cannot be
    printed is escaped, and what is too long is cut. ``detail`` are lines to show below.
    """

    exit_code = EXIT_TRIAL_FAILED

    def __init__(self, message: str, remedy: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = one_line(message)
        self.remedy = one_line(remedy)
        self.detail = printable(detail)

    def __str__(self) -> str:
        line = f"{self.message}: {self.remedy}" if self.remedy else self.message
        return f"{line}\n{self.detail}" if self.detail else line


class UserError(BenchError):
    """An option, configuration, kernel image or result file that cannot be used."""

    exit_code = EXIT_BAD_INPUT


class PrerequisiteError(BenchError):
    """The machine lacks something: a package, a tool, space, a working accelerator."""

    exit_code = EXIT_PREREQUISITE


class InfrastructureError(BenchError):
    """A step outside the measurement broke: a build, a subprocess, the file system."""

    exit_code = EXIT_PREREQUISITE


class TrialError(BenchError):
    """A trial ended without a result: panic, hang, lost guest, failed self-check."""

    exit_code = EXIT_TRIAL_FAILED


class DataError(BenchError):
    """Data that the program was given or captured cannot be trusted."""

    exit_code = EXIT_BAD_INPUT
