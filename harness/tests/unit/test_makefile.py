# SPDX-License-Identifier: GPL-2.0-only
"""``make bench`` takes every option of ``run``, and ``make help`` names them."""

import re
import shlex
import subprocess
import sys

import click
import pytest

from harness import cli
from harness.paths import PROJECT

MAKEFILE = (PROJECT / "Makefile").read_text()
NAMED = re.search(r"^NAMED := (.+)$", MAKEFILE, re.MULTILINE)
OPTIONS = [option for option in cli.run.params if isinstance(option, click.Option)]


def make(*words: str) -> str:
    """What make prints; the environment's own variables do not count."""
    done = subprocess.run(
        ["make", "--no-print-directory", f"VENV={sys.prefix}", *words],
        cwd=PROJECT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def command(*variables: str) -> list[str]:
    """The words of the command that ``make bench`` would run."""
    return shlex.split(make("-n", "bench", *variables).splitlines()[-1])


def long_name(option: click.Option) -> str:
    return next(name for name in option.opts if name.startswith("--"))


def variables() -> list[str]:
    assert NAMED is not None
    return NAMED[1].split()


def test_without_variables_the_suite_decides() -> None:
    assert command() == [f"{sys.prefix}/bin/execmem-bench", "run"]


@pytest.mark.parametrize("option", OPTIONS, ids=long_name)
def test_every_option_of_run_can_be_given(option: click.Option) -> None:
    name = long_name(option)
    variable = name.removeprefix("--").upper()
    if variable in variables():
        assert command(f"{variable}=a value,b")[2:] == [name, "a value,b"]
    elif name == "--param":
        assert command("PARAMS=a=1 b=2")[2:] == [name, "a=1", name, "b=2"]
    else:
        words = [name] if option.is_flag else [name, "value"]
        assert command(f"ARGS={' '.join(words)}")[2:] == words


def test_every_variable_is_an_option_of_run() -> None:
    names = {long_name(option) for option in OPTIONS}
    assert {f"--{variable.lower()}" for variable in variables()} <= names


def test_all_at_once() -> None:
    given = command("KERNEL=a=x,b=y", "SEEDS=3", "RESUME=latest", "PARAMS=n=4", "ARGS=--trace -q 1")
    assert given[2:] == [
        *("--kernel", "a=x,b=y", "--seeds", "3", "--resume", "latest"),
        *("--param", "n=4", "--trace", "-q", "1"),
    ]


def test_help_names_every_option() -> None:
    text = make("help")
    for variable in variables():
        assert f" {variable}=" in text
    for option in OPTIONS:
        assert re.search(rf"{long_name(option)}\b", text), long_name(option)
