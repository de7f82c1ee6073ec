# SPDX-License-Identifier: GPL-2.0-only
"""A million damaged kernels of others: images, archives, configurations, modules, packages."""

from pathlib import Path

import pytest

from harness.tests.fuzz import package_cases as cases
from harness.tests.fuzz.outcome import Part, both_ends_seen

pytestmark = pytest.mark.long
EACH = 300_000
MODULES, PACKAGES = 99_000, 1_000


@pytest.mark.parametrize("part", [cases.images, cases.archives, cases.configurations])
def test_read_or_refused_in_one_line(part: Part) -> None:
    both_ends_seen(part(1, EACH), EACH)


def test_modules_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    both_ends_seen(cases.modules(tmp_path)(1, MODULES), MODULES)


def test_real_packages_are_unpacked_or_refused_in_one_line(tmp_path: Path) -> None:
    both_ends_seen(cases.packages(tmp_path)(1, PACKAGES), PACKAGES)
