# SPDX-License-Identifier: GPL-2.0-only
"""Guest image and model are made beside the kernels, and no failure of one hides the other's."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from harness import proc
from harness.errors import PrerequisiteError, UserError
from harness.image.guest_layers import Layer
from harness.kernel import StageResult
from harness.pipeline import prepare
from harness.pipeline.progress import Progress

LAYERS: dict[str, Layer] = {}
WAIT_S = 30.0


def made(
    monkeypatch: pytest.MonkeyPatch,
    *,
    kernels: Callable[[Callable[[], None]], StageResult],
    layers: Callable[[], dict[str, Layer]],
) -> None:
    """What ``everything`` makes of stages that do as they are told."""

    def make_kernels(*_: Any, on_checked: Callable[[], None], **__: Any) -> StageResult:
        return kernels(on_checked)

    monkeypatch.setattr(prepare, "make_kernels", make_kernels)
    monkeypatch.setattr("harness.image.guest_layers.base_layers", lambda *_: layers())
    monkeypatch.setattr("harness.itlb.plugin.build_plugin", lambda *_: None)
    assert prepare.everything(None, Progress(quiet=True)) == ()


def test_the_image_is_made_while_kernels_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    image_runs, kernels_done = threading.Event(), threading.Event()

    def kernels(on_checked: Callable[[], None]) -> StageResult:
        on_checked()
        assert image_runs.wait(WAIT_S), "the image waits for the kernels"
        kernels_done.set()
        return StageResult(kernels=(), bench=None)

    def layers() -> dict[str, Layer]:
        image_runs.set()
        assert kernels_done.wait(WAIT_S), "the kernels wait for the image"
        return LAYERS

    made(monkeypatch, kernels=kernels, layers=layers)


def test_a_wrong_name_begins_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def kernels(_: Callable[[], None]) -> StageResult:
        raise UserError("KERNEL=good=: no kernel", "give one")

    with pytest.raises(UserError, match="KERNEL=good="):
        made(monkeypatch, kernels=kernels, layers=lambda: pytest.fail("an image was begun"))


def test_a_kernel_that_does_not_build_ends_what_runs_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = threading.Event()
    ended: list[proc.CommandError] = []

    def kernels(on_checked: Callable[[], None]) -> StageResult:
        on_checked()
        assert began.wait(WAIT_S)
        raise PrerequisiteError("flex is missing", "run `make setup`")

    def layers() -> dict[str, Layer]:
        try:
            proc.run(["sh", "-c", "echo began; exec sleep 600"], on_line=lambda _: began.set())
        except proc.CommandError as error:
            ended.append(error)
            raise
        return LAYERS

    with pytest.raises(PrerequisiteError, match="flex"):
        made(monkeypatch, kernels=kernels, layers=layers)
    assert len(ended) == 1, "the command beside it was ended, and its thread waited for"


def test_an_image_that_cannot_be_made_is_told_when_the_kernels_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[str] = []

    def kernels(on_checked: Callable[[], None]) -> StageResult:
        on_checked()
        kept.append("upstream")
        return StageResult(kernels=(), bench=None)

    def layers() -> dict[str, Layer]:
        raise PrerequisiteError("making the guest image needs root", "run as root")

    with pytest.raises(PrerequisiteError, match="needs root"):
        made(monkeypatch, kernels=kernels, layers=layers)
    assert kept == ["upstream"]
