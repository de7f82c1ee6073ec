# SPDX-License-Identifier: GPL-2.0-only
"""The lines that decide a question, over all of its tables, as comparisons read together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.analysis.comparison import Block
from harness.analysis.stats import Ratio
from harness.analysis.together import together
from harness.report.decisive import Decided, decided

Lines = Mapping[str, Sequence[Decided]]
"""By isolation setting."""


def question_lines(blocks: Sequence[Block]) -> dict[str, tuple[Decided, ...]]:
    """The lines of ``blocks``, which answer one question together, by isolation setting.

    The ratios that sentences tell are corrected for each other (Holm). Page sizes and curves
    are told as they are and are no comparisons.
    """
    lines = {str(block.settings.pti): decided(block) for block in blocks}
    places = [
        (pti, place, build)
        for pti, of_block in lines.items()
        for place, line in enumerate(of_block)
        if line.curve is None and not line.sizes
        for build, cell in line.row.cells.items()
        if cell.ratio is not None
    ]
    given = [_ratio(lines, place) for place in places]
    corrected = dict(zip(places, together(given), strict=True))
    return {
        pti: tuple(_with(line, pti, place, corrected) for place, line in enumerate(of_block))
        for pti, of_block in lines.items()
    }


def comparisons(lines: Lines) -> int:
    """How many comparisons were read together; 0 without any."""
    ratios = [
        cell.ratio
        for of_block in lines.values()
        for line in of_block
        for cell in line.row.cells.values()
    ]
    return max(
        (one.among for one in ratios if one is not None and one.adjusted is not None), default=0
    )


Place = tuple[str, int, str]


def _ratio(lines: Lines, where: Place) -> Ratio:
    pti, place, build = where
    ratio = lines[pti][place].row.cells[build].ratio
    assert ratio is not None
    return ratio


def _with(line: Decided, pti: str, place: int, corrected: Mapping[Place, Ratio]) -> Decided:
    cells = {
        build: replace(cell, ratio=corrected.get((pti, place, build), cell.ratio))
        for build, cell in line.row.cells.items()
    }
    return replace(line, row=replace(line.row, cells=cells))
