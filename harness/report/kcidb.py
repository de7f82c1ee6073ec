# SPDX-License-Identifier: GPL-2.0-only
"""A run as a report of KCIDB, where kernel CI systems bring their results together (schema 5.3).

A build is a kernel; a test is one reading that decides, of one trial, with its number, and beside
them one for each trial and for each of the kernel's own tests. What is not known has a status and
a reason and no number. https://github.com/kernelci/kcidb-io
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from harness.analysis.compare import compare
from harness.analysis.comparison import Block
from harness.analysis.verdicts import FAIL, PASS, SKIP
from harness.model.reading import Status
from harness.model.records import KernelIdentity, Manifest, TrialRecord
from harness.report.decisive import Decided, decided
from harness.store.loading import LoadedRun

ORIGIN = "execmem_bench"
VERSION = {"major": 5, "minor": 3}
_UNKNOWN = {Status.NOT_SUPPORTED: "SKIP", Status.NOT_COUNTED: "MISS", Status.FAILED: "ERROR"}
_VERDICTS = {PASS: "PASS", FAIL: "FAIL", SKIP: "SKIP"}


def render(run: LoadedRun) -> str:
    """``run`` as JSON that KCIDB takes."""
    manifest = run.manifest
    document = {
        "version": VERSION,
        "checkouts": [
            {
                "id": f"{ORIGIN}:{manifest.run}",
                "origin": ORIGIN,
                "start_time": _time(manifest.created),
                "comment": f"execmem-bench {manifest.program_version}, suite {manifest.suite}",
                "misc": {"qemu": manifest.qemu_version, "commit": manifest.program_commit},
            }
        ],
        "builds": [_build(manifest, kernel) for kernel in manifest.kernels],
        "tests": [
            *(test for record in run.records for test in _of_trial(manifest, record)),
            *(test for block in compare([run]).blocks for test in _of_block(manifest, block)),
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _build(manifest: Manifest, kernel: KernelIdentity) -> dict[str, Any]:
    return {
        "id": _build_id(manifest, kernel.name),
        "checkout_id": f"{ORIGIN}:{manifest.run}",
        "origin": ORIGIN,
        "architecture": "x86_64",
        "config_name": kernel.name,
        "comment": f"{kernel.name} {kernel.release}".strip(),
        **({"compiler": kernel.compiler} if kernel.compiler else {}),
        "status": "PASS",
        "misc": {
            "image_sha256": kernel.image_sha256,
            "config_sha256": kernel.config_sha256,
            "series_sha256": kernel.series_sha256,
            **({"boot": " ".join(kernel.boot)} if kernel.boot else {}),
        },
    }


def _build_id(manifest: Manifest, kernel: str) -> str:
    return f"{ORIGIN}:{manifest.run}:{kernel}"


def _of_trial(manifest: Manifest, record: TrialRecord) -> Iterator[dict[str, Any]]:
    spec = record.spec
    common = {
        "build_id": _build_id(manifest, spec.variant),
        "origin": ORIGIN,
        "environment": {"misc": {**_plain(spec.values), "seed": spec.seed}},
        **({"start_time": _time(record.started)} if record.started else {}),
    }
    failure = record.failure
    yield {
        **common,
        "id": f"{ORIGIN}:{manifest.run}:{record.trial}",
        "path": _path("execmem-bench", spec.workload),
        "status": "ERROR" if failure else "PASS",
        "duration": record.wall_seconds,
        **({"comment": f"{failure.kind}: {failure.message}"} if failure else {}),
    }
    for name, verdict in record.verdicts.items():
        yield {
            **common,
            "id": f"{ORIGIN}:{manifest.run}:{record.trial}:{name}",
            "path": _path("execmem-bench", spec.workload, "kernel", name),
            "status": _VERDICTS.get(verdict, "MISS"),
        }


def _of_block(manifest: Manifest, block: Block) -> Iterator[dict[str, Any]]:
    settings = _plain(block.settings.values)
    for place, line in enumerate(decided(block)):
        if line.curve is None:
            for build in block.builds:
                yield from _of_line(manifest, block, line, place, build, settings)


def _of_line(
    manifest: Manifest,
    block: Block,
    line: Decided,
    place: int,
    build: str,
    settings: dict[str, str],
) -> Iterator[dict[str, Any]]:
    cell = line.row.cells[build]
    where = f"{block.settings.workload}-{build}-pti{block.settings.pti}"

    def made(seed: int) -> dict[str, Any]:
        return {
            "id": f"{ORIGIN}:{manifest.run}:{where}-{place}-s{seed}",
            "build_id": _build_id(manifest, build),
            "origin": ORIGIN,
            "path": _path("execmem-bench", block.settings.workload, line.title),
            "environment": {"misc": {**settings, "seed": seed}},
        }

    for seed, value in cell.values.items():
        number = {"value": value, "unit": line.row.unit}
        yield {**made(seed), "status": "DONE", "number": number, "comment": line.row.metric.title}
    for one in cell.unknown:
        yield {**made(one.seed), "status": _UNKNOWN[one.status], "comment": one.reason or "unknown"}


def _plain(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _path(*parts: str) -> str:
    """Parts of letters, digits, ``_`` and ``-``, joined by dots."""
    return ".".join(re.sub(r"[^A-Za-z0-9_-]+", "_", part).strip("_") or "_" for part in parts)


def _time(text: str) -> str:
    return text.replace("Z", "+00:00")
