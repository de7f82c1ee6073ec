# SPDX-License-Identifier: GPL-2.0-only
"""The bill of materials: checked by CycloneDX's own schema, and against the manifest."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from harness.errors import DataError
from harness.image.guest_layers import Layer
from harness.image.installed import LISTING, guest_packages
from harness.report import exports
from harness.store import provenance
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made

PACKAGES = {
    "python": {"msgspec": "0.19.0"},
    "host": {"qemu-system-x86": "1:10.0.2+ds-2", "gcc-12": "12.2.0-14"},
    "guest": {"python3.11": "3.11.2-6"},
}


@pytest.fixture
def run() -> LoadedRun:
    given = made.run(seeds=(1,))
    was = given.manifest
    manifest = replace(
        was,
        packages=PACKAGES,
        qemu_sha256=sha("qemu"),
        plugin_sha256=sha("plugin"),
        profile_sha256=sha("profile"),
        bench_sha256=sha("bench"),
        image_sha256={"agent": sha("agent"), "base": sha("base")},
        workload_sha256={"trig-kprobe": sha("workload")},
        kernels=tuple(replace(k, image_sha256=sha(k.name)) for k in was.kernels),
    )
    return given._replace(manifest=manifest)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def bill(run: LoadedRun) -> dict[str, Any]:
    text = exports.export(run, "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_manifest_that_does_not_say_when(run: LoadedRun) -> None:
    with pytest.raises(DataError, match="created: Invalid isoformat string: 'yesterday'"):
        bill(run._replace(manifest=replace(run.manifest, created="yesterday")))


def test_packages_are_named_by_where_they_are(run: LoadedRun) -> None:
    found = {
        (each["properties"][0]["value"], each["name"]): (each["version"], each["purl"])
        for each in bill(run)["components"]
        if "purl" in each
    }
    assert set(found) == {(place, name) for place, some in PACKAGES.items() for name in some}
    assert found["python", "msgspec"] == ("0.19.0", "pkg:pypi/msgspec@0.19.0")
    assert found["guest", "python3.11"][1] == "pkg:deb/python3.11@3.11.2-6"


def test_all_that_the_manifest_hashes_is_in_it(run: LoadedRun) -> None:
    manifest = run.manifest
    hashes = {one["content"] for each in bill(run)["components"] for one in each.get("hashes", [])}
    expected = {
        *(manifest.plugin_sha256, manifest.profile_sha256, manifest.bench_sha256),
        manifest.qemu_sha256, *manifest.image_sha256.values(), *manifest.workload_sha256.values(),
        *(kernel.image_sha256 for kernel in manifest.kernels),
    }  # fmt: skip
    assert expected == hashes


def test_what_is_no_hash_is_not_called_one(run: LoadedRun) -> None:
    edited = run._replace(manifest=replace(run.manifest, plugin_sha256="<script>"))
    assert "<script>" not in json.dumps(bill(edited))


def test_equal_runs_have_equal_bills(run: LoadedRun) -> None:
    assert exports.export(run, "cyclonedx") == exports.export(run, "cyclonedx")


def test_an_older_run_has_what_it_knows() -> None:
    document = bill(made.run(seeds=(1,)))
    assert not any("purl" in each for each in document["components"])
    assert any(each["name"].startswith("kernel ") for each in document["components"])


def test_packages_of_this_machine() -> None:
    python = provenance.python_packages()
    assert python["msgspec"]
    assert list(python) == sorted(python)
    assert all(version for version in provenance.host_packages().values())
    assert len(provenance.program_sha256("sh")) == 64
    assert provenance.program_sha256("no-such-program") == ""


def test_packages_of_the_guest(tmp_path: Path) -> None:
    (tmp_path / LISTING).write_text("zlib1g 1.2\nbusybox 1:1.35\n\n")
    layers = [
        Layer(name=name, path=place / f"{name}.cpio", sha256="")
        for name, place in (("base", tmp_path), ("bcc", tmp_path), ("other", Path("/nowhere")))
    ]
    assert guest_packages(layers) == {"busybox": "1:1.35", "zlib1g": "1.2"}
