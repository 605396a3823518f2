"""Problem families: what each promises, against an oracle or a property."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from raise_agent.attributes import penguin_table
from raise_agent.data.synthetic import synthetic_scenarios
from raise_agent.encoders import HashingEncoder
from raise_agent.errors import ConfigError, MissingExtraError
from raise_agent.models.base import Evaluation, EvaluationRequest
from raise_agent.models.simulated import SimulatedSafetyModel
from raise_agent.planners import PlanningProblem, make_planner, named, run_planner
from raise_agent.planners.families import (
    Family,
    Instance,
    available_families,
    family_class,
    is_simulated,
    make_family,
    register_family,
    registry,
)
from raise_agent.planners.families import real as real_module
from raise_agent.planners.families.scaling import full_subsets, oracle_gain
from raise_agent.planners.families.simulated import made_up_table
from raise_agent.subsets import mask_of, members

ALL = available_families()
EVERY = np.arange(1024, dtype=np.int64)
SETTINGS: dict[str, dict[str, Any]] = {"real": {"data": ["wine"]}}
"""Settings that make a family quick to test."""


def drawn(name: str, count: int, n: int = 10, budget: int = 3, seed: int = 0, **settings: Any) -> list[Instance]:
    return make_family(name, **SETTINGS.get(name, {}), **settings).instances(n, budget, count, seed)


def value(instance: Instance, subset: int) -> float:
    return float(instance.values(np.asarray([subset], dtype=np.int64))[0])


def gain(instance: Instance, subset: int) -> float:
    return value(instance, subset) - value(instance, 0)


# What every family owes


def test_the_families_are_there_by_name() -> None:
    assert set(ALL) >= {"simulated", "additive", "submodular", "interacting", "deceptive", "needle", "real"}
    assert list(ALL) == sorted(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_family_is_a_frozen_dataclass_named_after_its_file_whose_docstring_has_the_formula(name: str) -> None:
    family = make_family(name)
    assert isinstance(family, Family)
    assert family == family_class(name)()
    assert type(family).__module__ == f"raise_agent.planners.families.{name}"
    assert "v(S) = " in (type(family).__doc__ or "")
    assert vars(type(family))["__dataclass_params__"].frozen
    assert not hasattr(family, "__dict__")


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_bytes_and_more_instances_extend_fewer(name: str) -> None:
    few, more, other = drawn(name, 2), drawn(name, 4), drawn(name, 2, seed=1)
    assert (len(few), len(more)) == (2, 4)
    tables = [[instance.values(EVERY).tobytes() for instance in each] for each in (few, more, other)]
    assert tables[0] == tables[1][:2]
    assert len({*tables[1], *tables[2]}) == 6
    for instance, again in zip(few, more, strict=False):
        assert instance.n_attributes == 10
        if instance.context is not None and again.context is not None:
            assert instance.context.tobytes() == again.context.tobytes()
            assert instance.context.dtype == np.float64


@pytest.mark.parametrize("name", ALL)
def test_a_value_does_not_depend_on_what_it_is_asked_with(name: str) -> None:
    for instance in drawn(name, 3):
        table = instance.values(EVERY)
        assert table.shape == EVERY.shape
        assert np.isfinite(table).all()
        shuffled = np.random.default_rng(0).permutation(EVERY)[:100]
        assert np.array_equal(instance.values(shuffled), table[shuffled])
        assert [value(instance, int(subset)) for subset in shuffled[:20]] == table[shuffled[:20]].tolist()
        assert instance.values(EVERY[:0]).shape == (0,)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("n", "budget"), [(10, 3), (10, 6), (13, 2)])
def test_all_families_are_on_one_scale(name: str, n: int, budget: int) -> None:
    instances = drawn(name, 60, n, budget)
    gains = [oracle_gain(instance.values, n, budget) for instance in instances]
    assert min(gains) > 0.1
    assert np.mean(gains) == pytest.approx(1.0, abs=0.35)
    assert np.mean([value(instance, 0) for instance in instances]) == pytest.approx(2.8, abs=0.15)


@pytest.mark.parametrize("name", ALL)
def test_what_no_family_can_do_is_refused(name: str) -> None:
    family = make_family(name)
    assert family.instances(10, 3, 0, 0) == []
    for arguments in ((0, 1, 1, 0), (63, 3, 1, 0), (10, 0, 1, 0), (10, 11, 1, 0), (10, 3, -1, 0), (10, 3, 1, -1)):
        with pytest.raises(ConfigError):
            family.instances(*arguments)
    with pytest.raises(ConfigError, match=f"family '{name}'.*at most"):
        family.instances(40, 12, 0, 0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("additive", {"spread": -1.0}),
        ("submodular", {"topics": 0}),
        ("submodular", {"coverage": 0.0}),
        ("interacting", {"density": 1.1}),
        ("interacting", {"strength": -0.1}),
        ("deceptive", {"group": 1}),
        ("deceptive", {"decoy": 0.0}),
        ("simulated", {"doubt": -1.0}),
        ("simulated", {"dimension": 60}),
        ("real", {"models": []}),
    ],
)
def test_a_setting_out_of_range_is_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        make_family(name, **settings)


def test_subsets_of_full_size_are_all_there_once() -> None:
    ends = full_subsets(6, 3)
    assert ends.tolist() == [mask_of(m) for m in sorted(members(s) for s in range(64) if s.bit_count() == 3)]
    with pytest.raises(ValueError, match="read-only"):
        ends[0] = 1


# The registry


@pytest.fixture
def _registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.FAMILIES, "_classes", dict(registry.FAMILIES._classes))


@dataclass(frozen=True)
class Flat:
    """Nothing matters."""

    height: float = 2.8

    def instances(self, n_attributes: int, budget: int, count: int, seed: int) -> list[Instance]:
        def values(subsets: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
            return np.full(len(subsets), self.height)

        return [Instance(n_attributes, values) for _ in range(count)]


@pytest.mark.usefixtures("_registry_of_its_own")
def test_a_family_from_elsewhere_is_found_once_registered() -> None:
    assert register_family("flat")(Flat) is Flat
    assert "flat" in available_families()
    assert make_family("flat", height=3.0) == Flat(3.0)
    assert not is_simulated(Flat())
    with pytest.raises(ConfigError, match=r"two families are named 'additive': raise_agent\.planners\.families"):
        register_family("additive")(Flat)


@pytest.mark.usefixtures("_registry_of_its_own")
def test_a_family_of_another_distribution_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(group: str) -> list[SimpleNamespace]:
        assert group == "raise_agent.planners.families"
        return [SimpleNamespace(name="flat", load=lambda: Flat)]

    monkeypatch.setattr(named, "entry_points", entry_points)
    monkeypatch.setattr(registry.FAMILIES, "_looked", False)
    assert family_class("flat") is Flat


def test_a_mistyped_name_or_setting_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"unknown family 'nedle': did you mean 'needle'\? Valid: additive"):
        make_family("nedle")
    with pytest.raises(ConfigError, match=r"family 'interacting' has no setting 'densty': did you mean 'density'\?"):
        make_family("interacting", densty=0.5)


# One by one


def test_additive_values_are_sums() -> None:
    for instance in drawn("additive", 5):
        effects = [gain(instance, 1 << i) for i in range(10)]
        assert min(effects) > 0
        sums = [sum(effects[i] for i in members(int(subset))) for subset in EVERY]
        assert instance.values(EVERY) - value(instance, 0) == pytest.approx(np.asarray(sums), abs=1e-7)


def test_submodular_returns_diminish() -> None:
    rng = np.random.default_rng(0)
    for instance in drawn("submodular", 5, topics=8):
        table = instance.values(EVERY)
        smaller, extra = rng.integers(1024, size=(2, 500))
        larger = smaller | extra
        attribute = np.int64(1) << rng.integers(10, size=500)
        gained_small = table[smaller | attribute] - table[smaller]
        gained_large = table[larger | attribute] - table[larger]
        outside = (larger & attribute) == 0
        assert outside.sum() > 50
        assert (gained_small[outside] >= gained_large[outside] - 1e-8).all()
        assert (gained_small >= -1e-8).all()
        assert (gained_small[outside] > gained_large[outside] + 1e-3).any()


def test_interacting_values_are_main_effects_and_pairs_of_both_signs() -> None:
    pairs: list[float] = []
    for instance in drawn("interacting", 10):
        mains = [gain(instance, 1 << i) for i in range(10)]
        both = {
            (i, j): gain(instance, 1 << i | 1 << j) - mains[i] - mains[j] for i in range(10) for j in range(i + 1, 10)
        }
        pairs += both.values()
        for subset in (0b1011001110, 0b1111111111):
            inside = members(subset)
            total = sum(mains[i] for i in inside) + sum(b for (i, j), b in both.items() if i in inside and j in inside)
            assert gain(instance, subset) == pytest.approx(total, abs=1e-6)
        assert min(mains) >= 0
    effects = np.asarray(pairs)
    assert np.mean(np.abs(effects) > 1e-6) == pytest.approx(0.25, abs=0.06)
    assert (effects > 1e-6).any()
    assert (effects < -1e-6).any()
    (dense,) = drawn("interacting", 1, density=1.0)
    assert abs(gain(dense, 0b11) - gain(dense, 0b01) - gain(dense, 0b10)) > 1e-6
    with pytest.raises(ConfigError, match="n_attributes must be 2 or more"):
        make_family("interacting").instances(1, 1, 1, 0)


@pytest.mark.parametrize(("n", "budget"), [(10, 2), (10, 3), (10, 5), (16, 4)])
def test_deceptive_traps_forward_selection(n: int, budget: int) -> None:
    captured = []
    for instance in drawn("deceptive", 20, n, budget):
        plan = run_planner(
            make_planner("greedy", evaluations=1000),
            PlanningProblem(n, budget),
            lambda subset, instance=instance: value(instance, subset),  # type: ignore[misc]
            np.random.default_rng(0),
        )
        captured.append(gain(instance, mask_of(plan.path)) / oracle_gain(instance.values, n, budget))
    assert np.mean(captured) < 0.6
    assert max(captured) < 0.9


def test_deceptive_groups_bring_nothing_alone_and_much_together() -> None:
    for instance in drawn("deceptive", 5, budget=4):
        singles = [gain(instance, 1 << i) for i in range(10)]
        best = members(int(full_subsets(10, 4)[instance.values(full_subsets(10, 4)).argmax()]))
        assert all(singles[i] <= 0 for i in best)
        assert sum(s > 0 for s in singles) == 6
    with pytest.raises(ConfigError, match="budget must be 3 or more"):
        make_family("deceptive", group=3).instances(10, 2, 1, 0)
    with pytest.raises(ConfigError, match="n_attributes must be 8 or more for budget 6"):
        make_family("deceptive").instances(7, 6, 1, 0)


def test_exactly_one_needle_of_full_size() -> None:
    needles = set()
    for instance in drawn("needle", 10):
        table = instance.values(EVERY)
        (needle,) = np.flatnonzero(table != table[0])
        assert int(needle).bit_count() == 3
        assert table[needle] > table[0] + 0.5
        needles.add(int(needle))
    assert len(needles) > 5


@pytest.mark.parametrize("n", [10, 6])
def test_simulated_values_are_the_models(n: int) -> None:
    table = penguin_table() if n == 10 else made_up_table(n)
    scenarios = synthetic_scenarios(table, 3, seed=5)
    instances = drawn("simulated", 3, n, seed=5)
    model, subsets = SimulatedSafetyModel(table), np.arange(1 << n, dtype=np.int64)
    for scenario, instance in zip(scenarios, instances, strict=True):
        outcomes = model.evaluate([EvaluationRequest(scenario, int(subset)) for subset in subsets])
        assert instance.values(subsets).tolist() == [o.score for o in outcomes if isinstance(o, Evaluation)]
        assert instance.context is not None
        assert instance.context == pytest.approx(HashingEncoder(64).encode([scenario.query])[0])
        assert instance.weights is not None
        weights = instance.weights(0b101)
        assert weights is not None
        assert sum(weights) == pytest.approx(1)
        assert [weight > 0 for weight in weights] == [i not in (0, 2) for i in range(n)]
        assert instance.weights((1 << n) - 1) is None
    assert is_simulated(make_family("simulated"))
    assert [is_simulated(make_family(name)) for name in ("additive", "real")] == [False, False]


@pytest.mark.parametrize("model", real_module.MODELS)
@pytest.mark.parametrize("data", real_module.DATA_SETS)
def test_real_values_are_what_the_classifier_says_with_the_rest_averaged_over_the_background(
    data: str, model: str
) -> None:
    source = real_module.source(data, model, 10, 3)
    assert len(source.background) == real_module.BACKGROUND
    for row in (0, 7):
        p = source.values_of(row)
        for subset in (0, 0b1, 0b1000100100, 0b0111011110, 0b1111111111):
            mixed = source.background.copy()
            known = list(members(subset))
            mixed[:, known] = source.rows[row, known]
            expected = source.model.predict_proba(mixed)[:, source.labels[row]].mean()
            assert p(np.asarray([subset]))[0] == pytest.approx(expected, abs=1e-12)
    right = source.model.predict(source.rows) == source.labels
    assert right.mean() > (0.6 if data == "diabetes" else 0.8)


def test_real_rows_come_in_turn_from_data_sets_with_enough_features_and_have_something_to_gain() -> None:
    family = make_family("real", data=["wine", "diabetes"], models=["logistic"])
    instances = family.instances(10, 3, 40, 0)
    contexts = np.stack([i.context for i in instances if i.context is not None])
    assert contexts.sum(axis=0).tolist() == [0, 20, 0, 20]
    gains = [oracle_gain(instance.values, 10, 3) for instance in instances]
    # A scale makes the rows kept 1 point on average; dropped are those below 0.3 of the mean of all.
    assert min(gains) > 0.2
    with pytest.raises(ConfigError, match="data set 'wine' has 13 features"):
        family.instances(14, 3, 1, 0)
    with pytest.raises(ConfigError, match=r"has \d+ rows for 10 attributes and budget 3, not 5000"):
        make_family("real", data=["wine"], models=["logistic"]).instances(10, 3, 5000, 0)
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        make_family("real", data=["digit"])


def test_real_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"raise-agent\[research\]"):
        make_family("real").instances(10, 3, 0, 0)
