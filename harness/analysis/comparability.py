# SPDX-License-Identifier: GPL-2.0-only
"""Which runs may be compared: what must agree, and the refusal that names what does not."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.model.records import KernelIdentity, Manifest
from harness.model.specs import Scalar, TrialSpec
from harness.model.trial_settings import Mode, TrialSettings


@dataclass(frozen=True, kw_only=True)
class Settings(TrialSettings):
    """What is equal for all builds of one table."""

    workload: str
    params: tuple[tuple[str, Scalar], ...]

    @classmethod
    def of(cls, spec: TrialSpec) -> "Settings":
        """The settings of ``spec``: all of it but variant, seed and repeat."""
        params = tuple(sorted(spec.params.items()))
        return cls(workload=spec.workload, params=params, **spec.values)


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A key that must agree and does not."""

    key: str
    left: str
    right: str
    left_where: str
    right_where: str

    def __str__(self) -> str:
        return (
            f"{self.key} is {self.left!r} in {self.left_where} "
            f"and {self.right!r} in {self.right_where}"
        )


def _models(manifest: Manifest) -> bool:
    return any(t.counters.by_model for t in manifest.trials)


def _timed(manifest: Manifest) -> bool:
    return any(t.mode is not Mode.EXACT for t in manifest.trials)


def _always(_: Manifest) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Key:
    """A value of the manifest that must agree where both runs know it."""

    name: str
    value: Callable[[Manifest], str]
    applies: Callable[[Manifest], bool] = _always


KEYS: tuple[Key, ...] = (
    Key(name="program_version_major", value=lambda m: m.program_version.partition(".")[0]),
    Key(name="qemu_version", value=lambda m: m.qemu_version),
    Key(name="plugin_sha256", value=lambda m: m.plugin_sha256, applies=_models),
    Key(name="profile_sha256", value=lambda m: m.profile_sha256, applies=_models),
    Key(name="bench_sha256", value=lambda m: m.bench_sha256),
    Key(name="selftests_sha256", value=lambda m: m.selftests_sha256),
    Key(name="host.cpu", value=lambda m: m.host.get("cpu", ""), applies=_timed),
)
"""Values that must agree between runs; "" is not known and is not compared."""

KERNEL_KEYS = ("base_sha256", "compiler", "config_sha256")
"""Values that must agree between all kernels compared; "" is not known."""


def mismatches(left: Manifest, right: Manifest) -> tuple[Mismatch, ...]:
    """What differs between two runs and must not, in the order in which it matters."""

    def differ(key: str, left_value: str, right_value: str) -> Iterable[Mismatch]:
        if left_value and right_value and left_value != right_value:
            yield Mismatch(
                key=key,
                left=left_value,
                right=right_value,
                left_where=left.run,
                right_where=right.run,
            )

    mismatched: list[Mismatch] = []
    for key in KEYS:
        if key.applies(left) and key.applies(right):
            mismatched += differ(key.name, key.value(left), key.value(right))
    for name in sorted(left.image_sha256.keys() & right.image_sha256.keys()):
        mismatched += differ(
            f"image_sha256.{name}", left.image_sha256[name], right.image_sha256[name]
        )
    for name in sorted(left.workload_sha256.keys() & right.workload_sha256.keys()):
        mismatched += differ(
            f"workload_sha256.{name}", left.workload_sha256[name], right.workload_sha256[name]
        )
    return (*mismatched, *kernel_mismatches([left, right]), *setting_mismatches(left, right))


def kernel_mismatches(manifests: Sequence[Manifest]) -> tuple[Mismatch, ...]:
    """Kernels of ``manifests`` that differ from the first one in more than the patches.

    Only kernels that this program built: what a user's own differ in is for the user to choose.
    """
    kernels = [(m.run, kernel) for m in manifests for kernel in m.kernels if kernel.base_sha256]
    by_key: dict[str, Mismatch] = {}
    for key in KERNEL_KEYS:
        known = [(run, k.name, str(getattr(k, key))) for run, k in kernels if getattr(k, key)]
        for run, name, value in known[1:]:
            first_run, first_name, first = known[0]
            if value != first:
                by_key.setdefault(
                    key,
                    Mismatch(
                        key=f"kernels.{key}",
                        left=first,
                        right=value,
                        left_where=f"{first_name} of {first_run}",
                        right_where=f"{name} of {run}",
                    ),
                )
    return tuple(by_key.values())


def setting_mismatches(left: Manifest, right: Manifest) -> tuple[Mismatch, ...]:
    """Why two runs share no table; empty when they share one.

    The nearest pair of settings is named, workload by workload.
    """
    left_settings = {Settings.of(t) for t in left.trials}
    right_settings = {Settings.of(t) for t in right.trials}
    if left_settings & right_settings or not left_settings or not right_settings:
        return ()

    def mismatch(key: str, a: object, b: object) -> Mismatch:
        return Mismatch(
            key=f"{TRIALS}{key}",
            left=str(a),
            right=str(b),
            left_where=left.run,
            right_where=right.run,
        )

    pairs = [
        (a, b)
        for a in _sorted(left_settings)
        for b in _sorted(right_settings)
        if a.workload == b.workload
    ]
    if not pairs:
        names = [sorted({s.workload for s in side}) for side in (left_settings, right_settings)]
        return (mismatch("workload", *(", ".join(side) for side in names)),)
    a, b = min(pairs, key=lambda pair: len(_differing(*pair)))
    return tuple(mismatch(key, *values) for key, values in _differing(a, b).items())


TRIALS = "trials."
"""Before the name of a setting, as a key that may differ."""


def shared(first: Manifest, allow: Collection[str]) -> dict[str, dict[str, Any]]:
    """By workload, the settings that ``allow`` says may differ as the run ``first`` has them, where
    that has one value: builds of other runs share its tables under these. Parameters, over which
    curves are drawn, stay apart."""
    values: dict[str, dict[str, Any]] = {}
    for workload in dict.fromkeys(trial.workload for trial in first.trials):
        own = [trial.values for trial in first.trials if trial.workload == workload]
        values[workload] = {
            name: own[0][name]
            for name in own[0]
            if f"{TRIALS}{name}" in allow and all(one[name] == own[0][name] for one in own)
        }
    return values


def _sorted(settings: Iterable[Settings]) -> list[Settings]:
    return sorted(settings, key=repr)


def _differing(a: Settings, b: Settings) -> dict[str, tuple[object, object]]:
    """Settings that differ, parameter by parameter: key -> both values."""
    left_settings = a.values | {f"params.{key}": value for key, value in a.params}
    right_settings = b.values | {f"params.{key}": value for key, value in b.params}
    return {
        key: (left_settings.get(key, "absent"), right_settings.get(key, "absent"))
        for key in {**left_settings, **right_settings}
        if left_settings.get(key) != right_settings.get(key)
    }


def check(manifests: Sequence[Manifest], allow: Collection[str] = ()) -> tuple[str, ...]:
    """Refuse runs that cannot be compared; what remains is returned as notes for the reader.

    ``allow`` names keys that may differ (then they become notes). Kernels of a single run, and
    those that others built, may differ in compiler, configuration and version: whoever chose
    them is told in a note. Raises UserError naming the key and both values.
    """
    notes: list[str] = []
    for other in manifests[1:]:
        for mismatch in mismatches(manifests[0], other):
            if mismatch.key not in allow:
                raise UserError(
                    f"runs cannot be compared: {mismatch}",
                    f"make them equal, or allow the difference with --allow '{mismatch.key}'",
                )
            notes.append(f"compared although they differ: {mismatch}")
    kernels = {kernel.name: kernel for m in manifests for kernel in m.kernels}
    return tuple(dict.fromkeys([*notes, *differences(kernels), *unchecked(kernels)]))


DIFFERENCES: tuple[tuple[str, Callable[[KernelIdentity], str]], ...] = (
    ("Linux version", lambda kernel: kernel.base or kernel.release),
    ("compiler", lambda kernel: kernel.compiler),
    ("configuration", lambda kernel: kernel.config_sha256),
)
"""What kernels beside each other may differ in beyond the patches; "" is not known."""

SHOWN = ("Linux version", "compiler")
"""Differences whose values tell a reader something; the others are hashes."""


def differences(kernels: Mapping[str, KernelIdentity]) -> tuple[str, ...]:
    """Notes on what the kernels of one table differ in: then not all of a difference between
    them need be the allocator's."""
    notes = []
    for title, value in DIFFERENCES:
        groups: dict[str, list[str]] = {}
        for name, kernel in kernels.items():
            if value(kernel):
                groups.setdefault(value(kernel), []).append(name)
        if len(groups) > 1:
            shown = [
                ", ".join(names) + (f" ({known})" if title in SHOWN else "")
                for known, names in groups.items()
            ]
            notes.append(f"the kernels differ in {title}: {'; '.join(shown)}")
    return tuple(notes)


def unchecked(kernels: Mapping[str, KernelIdentity]) -> tuple[str, ...]:
    """Notes on kernels that others built, of which little is known."""
    return tuple(
        f"kernel {name} was built elsewhere: base source"
        + (" and compiler" if kernel.config_sha256 else ", configuration and compiler")
        + " not known"
        for name, kernel in kernels.items()
        if not kernel.base_sha256
    )
