# SPDX-License-Identifier: GPL-2.0-only
"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.cli_settings import setting_options
from harness.model.specs import MAX_SEEDS
from harness.model.trial_settings import SUITE_SETTINGS
from harness.paths import RESULTS

KERNEL_HELP = (
    "Kernels, separated by commas: a variant, a bzImage or vmlinuz, a built kernel tree's folder, "
    "a Debian package of a kernel; each with a name of yours in tables: good=path/a,bad=path/b. "
    "Alone: local, the kernel that is running (run and nightly). "
    "Default: those of the suite, else all variants."
)
NIGHTLY_SUITE = "nightly"
BISECT_SUITE = "smoke"
BASELINE_HELP = (
    "Kernel that ratios are taken against. Default: the variant upstream, else the first kernel."
)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that have kernels made ready."""
    for option in (
        click.option("--quiet", is_flag=True, help="Say nothing but results and errors."),
        click.option("--kernel", "-k", "kernels", metavar="K[,K...]", help=KERNEL_HELP),
    ):
        command = option(command)
    return command


def selection(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options for what is run; without --suite it is ``default``."""

    def added(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in _selection_options(default):
            command = option(command)
        return command

    return added


def _selection_options(default: str) -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--param",
            "-p",
            "params",
            multiple=True,
            metavar="KEY=VALUE",
            help="A parameter of the workload; may be repeated.",
        ),
        setting_options(SUITE_SETTINGS, absent="the suite's"),
        click.option(
            "--seeds",
            metavar="N",
            help=f"A count (3), a list (4,7) or a range (5-9), {MAX_SEEDS} at most. "
            "Default: the suite's.",
        ),
        click.option(
            "--workload", "-w", metavar="NAME|FOLDER", help="One workload instead of the suite's."
        ),
        click.option("--suite", "-s", help=f"Set of trials. Default: {default}."),
    )


def comparing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that compare saved runs."""
    for option in (
        click.option(
            "--allow",
            multiple=True,
            metavar="KEY",
            help="Compare although this provenance key differs; may be repeated.",
        ),
        click.option("--baseline", metavar="VARIANT", help="Ratios are taken against this build."),
    ):
        command = option(command)
    return command


def side_by_side(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option for trials side by side."""
    return click.option(
        "--jobs",
        "-j",
        type=click.IntRange(1, 64),
        help="Trials side by side (exact mode only). Default: number of CPUs.",
    )(command)


def out_folder(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option for the folder of runs; ``help_text`` is its help."""
    return click.option(
        "--out",
        "-o",
        type=click.Path(path_type=Path),
        default=RESULTS,
        show_default=True,
        help=help_text,
    )
