# SPDX-License-Identifier: GPL-2.0-only
"""The shared definitions: what is asked for, what was read, what is kept.

All are frozen. They are also the schema of the saved files: ``harness.store`` encodes
and decodes them with msgspec, and the published JSON Schema is generated from them.
"""
