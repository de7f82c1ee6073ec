# SPDX-License-Identifier: GPL-2.0-only
from harness.cli import main

main()
