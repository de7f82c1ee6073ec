# SPDX-License-Identifier: GPL-2.0-only
import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import definitions, matrix, options
from harness.errors import UserError
from harness.model.specs import SuiteSpec, VariantSpec, WorkloadSpec
from harness.model.trial_settings import Counters
from harness.paths import CONFIGS

WORKLOAD = WorkloadSpec(
    name="w", question="q?", module="w.py", params={"n": 4, "rate": 1.5, "place": "none"}
)
SUITE = definitions.parse(
    'name = "s"\ntitle = "t"\nworkloads = ["w"]\nseeds = [1, 2]\nparams.w.n = 8\n',
    SuiteSpec,
    "s.toml",
)


def test_every_shipped_definition_loads() -> None:
    assert any(v.baseline for v in definitions.variants().values())
    for suite in definitions.suites().values():
        for name in suite.workloads:
            workload, _ = definitions.workload(name)
            matrix.merge_params(workload, suite.params.get(name, {}))
    assert "quick" in definitions.suites()


def test_every_suite_says_its_isolation_and_tags() -> None:
    for path in (CONFIGS / "suites").glob("*.toml"):
        assert {"pti", "pcid", "mode", "smp"} <= tomllib.loads(path.read_text()).keys(), path.name
    suites = definitions.suites()
    for name in ("reference", "loaded", "nightly"):
        assert [one.pti for one in suites[name].settings] == ["on", "off"]
        assert len(suites[name].seeds) >= 3


def test_a_suites_kernels_are_variants() -> None:
    """The first named is the baseline where the usual one is not among them."""
    known = definitions.variants()
    for suite in definitions.suites().values():
        assert set(suite.kernels) <= set(known), suite.name
    mainline, reference = definitions.suites()["mainline"], definitions.suites()["reference"]
    assert mainline.kernels == ("bpf_prog_pack", "mainline-norox", "mainline")
    assert mainline.params == reference.params
    assert (mainline.seeds, mainline.settings) == ((1, 2, 3), reference.settings)


def test_a_night_measures_with_every_workload_that_measures() -> None:
    """A workload that is added is one folder: no suite names it."""
    nightly = definitions.suites()["nightly"].workloads
    assert nightly[0] == "trig-kprobe"
    specs = [definitions.workload(name)[0] for name in definitions.workload_folders()]
    assert set(nightly) == {spec.name for spec in specs if not spec.by_name_only}
    assert {"selftests", "modules-race", "pmu-check"}.isdisjoint(nightly)
    assert len(set(nightly)) == len(nightly)


def test_unknown_key_names_file_key_and_nearest() -> None:
    with pytest.raises(UserError, match=r"f.toml: unknown key 'serie'.*did you mean 'series'"):
        definitions.parse('name = "a"\nserie = []\n', VariantSpec, "f.toml")


def test_wrong_type_gives_dotted_path() -> None:
    text = 'name = "a"\ntitle = "t"\nworkloads = ["w"]\nseeds = [1, "two"]\n'
    with pytest.raises(UserError, match=r"seeds\[1\]: Expected `int`, got `str` \(it is 'two'\)"):
        definitions.parse(text, SuiteSpec, "f.toml")


def test_not_toml() -> None:
    with pytest.raises(UserError, match=r"f\.toml: not TOML"):
        definitions.parse("name = ", SuiteSpec, "f.toml")


def test_name_must_agree_with_path(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "workload.toml").write_text('name = "other"\nquestion = "q"\nmodule = "m.py"\n')
    with pytest.raises(UserError, match="it must be 'mine'"):
        definitions.workload(str(folder))


def test_unknown_workload_lists_the_known() -> None:
    with pytest.raises(UserError, match="did you mean 'trig-kprobe'"):
        definitions.workload("trig-kprob")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", (1,)), ("3", (1, 2, 3)), ("4,7", (4, 7)), ("4,", (4,)), ("5-7", (5, 6, 7))],
)
def test_seeds(text: str, expected: tuple[int, ...]) -> None:
    assert options.seeds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "x", "1,1", "3-1", "-2", "1-2-3", "1,2-3", ",", "99999999999,"]
)
def test_bad_seeds(text: str) -> None:
    with pytest.raises(UserError, match="--seeds"):
        options.seeds(text)


@given(st.text(max_size=12))
def test_seeds_never_crash(text: str) -> None:
    with contextlib.suppress(UserError):
        assert options.seeds(text)


def test_params_typed() -> None:
    assert options.params(("a=1", "b=2.5", "c=true", "d=x=y")) == {
        "a": 1,
        "b": 2.5,
        "c": True,
        "d": "x=y",
    }
    with pytest.raises(UserError, match="KEY=VALUE"):
        options.params(("novalue",))


def test_matrix_interleaves_and_merges() -> None:
    made = matrix.trials(SUITE, ["a", "b"], [WORKLOAD], Counters.MODEL, {"rate": 2})
    assert len(made) == 2 * 2 * 2
    assert [t.seed for t in made] == [1] * 4 + [2] * 4
    assert {t.variant for t in made[:4]} == {"a", "b"}
    assert made[0].params == {"n": 8, "rate": 2.0, "place": "none"}
    assert len({t.id for t in made}) == len(made)
    assert made == matrix.trials(SUITE, ["a", "b"], [WORKLOAD], Counters.MODEL, {"rate": 2})


def test_params_refused() -> None:
    with pytest.raises(UserError, match=r"no parameter 'm'.*it has: n, rate, place"):
        matrix.merge_params(WORKLOAD, {"m": 1})
    with pytest.raises(UserError, match=r"n='x'.*takes a int"):
        matrix.merge_params(WORKLOAD, {"n": "x"})
    with pytest.raises(UserError, match="n=True"):
        matrix.merge_params(WORKLOAD, {"n": True})
    for value in ("nan", "inf", "-inf"):
        with pytest.raises(UserError, match=f"rate={value}.*finite"):
            matrix.merge_params(WORKLOAD, {"rate": float(value)})
