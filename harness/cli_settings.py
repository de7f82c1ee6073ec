# SPDX-License-Identifier: GPL-2.0-only
"""Options of the command line, made from ``harness.model.trial_settings``."""

from collections.abc import Callable, Iterable
from typing import Any

import click

from harness.config import settings
from harness.model.trial_settings import SUITE_SETTINGS

Command = Callable[..., Any]


def setting_option(
    name: str, *, absent: str = "", default: Any = None, one: bool = False
) -> Callable[[Command], Command]:
    """The option of the setting ``name``.

    ``absent`` says in its help what holds where it is not given and has no ``default``;
    ``one``: it takes one value also of a swept setting.
    """
    setting = SUITE_SETTINGS[name]
    words = settings.choices(name)
    text = f"{setting.help} Default: {absent}." if absent else setting.help
    flag = f"--{name.replace('_', '-')}"
    common = {"default": default, "show_default": default is not None, "help": text}
    if settings.TYPES[name] is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", **common)
    if setting.swept and not one:
        every = "both" if len(words) == 2 else "all"

        def chosen(_: click.Context, __: click.Parameter, value: str | None) -> Any:
            return words if value == every else value and (value,)

        return click.option(flag, type=click.Choice([*words, every]), callback=chosen, **common)
    if words:
        return click.option(flag, type=click.Choice(words), **common)
    if settings.bounds(name) != (None, None):
        low, high = settings.bounds(name)
        return click.option(flag, type=click.IntRange(low, high), **common)
    return click.option(flag, metavar="NAME", **common)


def setting_options(names: Iterable[str], absent: str) -> Callable[[Command], Command]:
    """The options of several settings, in this order."""

    def decorate(command: Command) -> Command:
        for name in reversed(list(names)):
            command = setting_option(name, absent=absent)(command)
        return command

    return decorate


def take_settings(options: dict[str, Any]) -> dict[str, object]:
    """The settings that were given, taken out of the values of all options."""
    taken = {name: options.pop(name) for name in SUITE_SETTINGS if name in options}
    return {name: value for name, value in taken.items() if value is not None}
