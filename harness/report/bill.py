# SPDX-License-Identifier: GPL-2.0-only
"""What a run was made of, as a CycloneDX document: everything that decides a figure, with its
hash or its version."""

import re
from collections.abc import Iterator
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from harness.errors import DataError
from harness.model.records import KernelIdentity, Manifest
from harness.store.loading import LoadedRun

PURLS = {"python": "pypi", "host": "deb", "guest": "deb"}
"""Where packages are -> type of their package URL."""
PLACE = "execmem-bench:place"
"""Property of a component: ``python`` and ``host`` made the run, ``guest`` was booted."""

_SHA256 = re.compile("[0-9a-f]{64}").fullmatch


def render(run: LoadedRun) -> str:
    """The bill of materials of ``run``, CycloneDX 1.6 as JSON; equal for equal runs.

    A run that does not know its packages, as older ones, has only what its manifest hashes.
    Raises DataError for a manifest that does not say when it was made.
    """
    manifest = run.manifest
    program = Component(
        name="execmem-bench",
        version=" ".join((manifest.program_version, manifest.program_commit)).strip(),
        type=ComponentType.APPLICATION,
        bom_ref="execmem-bench",
    )
    parts = [*_hashed(manifest), *_kernels(manifest), *_packages(manifest)]
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, f"execmem-bench:{manifest.run}"),
        metadata=BomMetaData(
            timestamp=_moment(manifest),
            component=program,
        ),
        components=parts,
    )
    bom.register_dependency(program, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _moment(manifest: Manifest) -> datetime:
    """When the run began. Raises DataError."""
    try:
        return datetime.fromisoformat(manifest.created)
    except ValueError as error:
        raise DataError(f"{manifest.run}: created: {error}", "restore manifest.json") from error


def _hashed(manifest: Manifest) -> Iterator[Component]:
    """What a run has of its own: each a file, or several, with the hash of its content."""
    files = {
        "iTLB model": manifest.plugin_sha256,
        "CPU profile": manifest.profile_sha256,
        "bench": manifest.bench_sha256,
        "self-tests": manifest.selftests_sha256,
        **{f"guest image ({name})": sha for name, sha in manifest.image_sha256.items()},
        **{f"workload {name}": sha for name, sha in manifest.workload_sha256.items()},
    }
    for name, sha in files.items():
        if sha:
            yield _component(name, ComponentType.FILE, sha)
    if manifest.qemu_version:
        yield _component(
            "QEMU", ComponentType.APPLICATION, manifest.qemu_sha256, manifest.qemu_version
        )


def _kernels(manifest: Manifest) -> Iterator[Component]:
    for kernel in manifest.kernels:
        yield _component(
            f"kernel {kernel.name}",
            ComponentType.OPERATING_SYSTEM,
            kernel.image_sha256,
            kernel.release or kernel.base or None,
            _said_of(kernel),
        )


def _said_of(kernel: KernelIdentity) -> dict[str, str]:
    said = {
        "config": kernel.config_sha256,
        "series": kernel.series_sha256,
        "base": kernel.base_sha256,
        "compiler": kernel.compiler,
        "boot": " ".join(kernel.boot),
    }
    return {f"execmem-bench:{name}": value for name, value in said.items() if value}


def _packages(manifest: Manifest) -> Iterator[Component]:
    for place, packages in manifest.packages.items():
        for name, version in packages.items():
            yield Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                purl=PackageURL(type=PURLS.get(place, "generic"), name=name, version=version),
                bom_ref=f"{place}:{name}@{version}",
                properties=[Property(name=PLACE, value=place)],
            )


def _component(
    name: str,
    kind: ComponentType,
    sha256: str,
    version: str | None = None,
    properties: dict[str, str] | None = None,
) -> Component:
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=name,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if _SHA256(sha256) else [],
        properties=[Property(name=key, value=value) for key, value in (properties or {}).items()],
    )
