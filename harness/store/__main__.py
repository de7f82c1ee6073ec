# SPDX-License-Identifier: GPL-2.0-only
"""``python -m harness.store`` writes ``results/schema.json`` from the definitions."""

from harness.store.schema import write

write()
