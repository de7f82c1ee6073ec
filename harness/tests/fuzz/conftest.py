# SPDX-License-Identifier: GPL-2.0-only
"""What these tests share with the unit tests."""

from harness.tests.unit.conftest import captured, shared_folder

__all__ = ["captured", "shared_folder"]
