# SPDX-License-Identifier: GPL-2.0-only
"""The plugin is compiled for the interface that this machine's QEMU has."""

from pathlib import Path

import pytest

from harness.itlb import plugin


@pytest.mark.parametrize(
    ("version", "api"),
    [
        ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)", 4),
        ("QEMU emulator version 11.0.1", 4),
        ("QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)", 7),
        ("QEMU emulator version 12.0.0", 7),
        ("something else", 4),
    ],
)
def test_interface_of_a_qemu(version: str, api: int) -> None:
    assert plugin.plugin_api(version) == api


@pytest.mark.parametrize("api", plugin.APIS)
def test_the_interface_is_part_of_the_command_line_and_the_key(api: int) -> None:
    argv = plugin.plugin_argv([], Path("itlb.so"), api)
    assert f"-DEMB_PLUGIN_API={api}" in argv
    assert plugin.key(plugin.PLUGIN_FILE, plugin.plugin_version("ab", api)) == f"itlb-ab-api{api}"
