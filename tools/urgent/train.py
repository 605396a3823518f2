"""Trains the rule for urgent messages, and says what it does on messages it was not trained on.

    python -m tools.urgent.train                  # cross-validation, then raise/agent/urgent.json
    python -m tools.urgent.train --folds 0        # the weights alone, about half a minute
    python -m tools.urgent.train --check          # whether the shipped weights are those that the corpus gives

Logistic regression over the features of ``raise_agent.agent.danger``. Only the sentence of an urgent message that
scores highest is held to be urgent (multiple-instance learning, as mi-SVM of Andrews et al., NeurIPS 2002); every part
of a harmless one is harmless. The more unevenly the two sorts share a feature, the more it counts in training (after
NBSVM of Wang and Manning, ACL 2012). Nothing near a message of ``tests/agent/messages/{urgent,dark}.jsonl`` is trained
on.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags
from sklearn.linear_model import LogisticRegression

from raise_agent.agent.danger import parts

from .corpus import FAMILIES, Example, composed, joined, written

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "raise" / "agent" / "urgent.json"
LISTS = ROOT / "tests" / "agent" / "messages"

C, ROUNDS = 1.0, 3
APART = 0.7
"""How much two terms that are not neighbours count in training, beside those that are."""
LEAST_LINES = 3
"""A feature of fewer lines of the corpus is dropped."""
SMALLEST = 2
"""Weights below it, in units of 1 / ``SCALE``, are dropped."""
SCALE = 64
NEAR = 0.7
"""Messages that share more than this with a listed one are left out."""
THRESHOLD = -0.5
"""Log-odds above which a message alarms: of ``THRESHOLDS``, the lowest with under a twelfth false alarms when
cross-validated. A tenth is the most allowed on other messages, and a rule at the limit here would be beyond it there
about every other time."""
THRESHOLDS = (-1.25, -1.0, -0.75, -0.5, -0.25, 0.0)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parts:
    """Messages as features of their parts."""

    rows: list[list[str]]
    """Sorted features of each part of each message."""
    message: npt.NDArray[np.int64]
    """Shape (parts,): whose part it is."""


def cut(texts: Sequence[str]) -> Parts:
    """Every message in its parts; one without words has one part without features."""
    cuts = [[sorted(part) for part in parts(text)] or [[]] for text in texts]
    return Parts([part for found in cuts for part in found], np.repeat(np.arange(len(cuts)), [len(c) for c in cuts]))


@dataclass(frozen=True, slots=True)
class Detector:
    """Logistic regression of danger on features."""

    columns: dict[str, int]
    weights: Floats
    bias: float

    @classmethod
    def fit(cls, examples: Sequence[Example]) -> Detector:
        """Weights under which urgent messages have one part that alarms, and harmless ones have none."""
        cuts = cut([example.text for example in examples])
        lines: dict[str, set[str]] = defaultdict(set)
        for row, message in zip(cuts.rows, cuts.message, strict=True):
            for feature in row:
                lines[feature].add(examples[message].line)
        names = sorted(name for name, found in lines.items() if len(found) >= LEAST_LINES and name not in "<>")
        columns = {name: column for column, name in enumerate(names)}
        matrix = as_matrix(cuts.rows, columns)
        urgent = np.array([example.urgent for example in examples])[cuts.message]
        sizes = np.bincount(cuts.message)[cuts.message]
        weight = np.array([example.weight for example in examples])[cuts.message] / np.where(urgent, 1, np.sqrt(sizes))
        trust = unevenness(matrix, urgent, weight) * np.where([name[0] == "." for name in names], APART, 1.0)
        scaled = (matrix @ diags(trust)).tocsr()
        used = ~urgent | (sizes == 1)
        for _ in range(ROUNDS):
            model = LogisticRegression(C=C, solver="liblinear", tol=1e-3, max_iter=200)
            model.fit(scaled[used], urgent[used], sample_weight=weight[used])
            found = cls(columns, trust * model.coef_[0], float(model.intercept_[0]))
            scores = matrix @ found.weights + found.bias
            used = ~urgent | (scores >= highest(scores, cuts.message)[cuts.message])
        return found

    def scores(self, texts: Sequence[str]) -> Floats:
        """Log-odds of each message, shape (messages,)."""
        cuts = cut(texts)
        return highest(as_matrix(cuts.rows, self.columns) @ self.weights + self.bias, cuts.message)

    def worst_parts(self, texts: Sequence[str]) -> list[list[str]]:
        """Features of the part of each message that scores highest."""
        cuts = cut(texts)
        scores = as_matrix(cuts.rows, self.columns) @ self.weights + self.bias
        order = np.lexsort((-scores, cuts.message))
        first = np.unique(cuts.message[order], return_index=True)[1]
        return [cuts.rows[part] for part in order[first]]


def as_matrix(rows: Sequence[Sequence[str]], columns: dict[str, int]) -> csr_matrix:
    """Shape (rows, columns), 1 where a row has the feature."""
    found = [[columns[name] for name in row if name in columns] for row in rows]
    ends = np.cumsum([0, *map(len, found)])
    return csr_matrix((np.ones(ends[-1]), np.concatenate(found).astype(int), ends), shape=(len(rows), len(columns)))


def unevenness(matrix: csr_matrix, urgent: npt.NDArray[np.bool_], weight: Floats) -> Floats:
    """Shape (columns,), root of the absolute log ratio of the shares that a feature has of the two sorts of parts."""
    of_urgent, of_harmless = (1 + matrix[some].T @ weight[some] for some in (urgent, ~urgent))
    ratio: Floats = np.log(of_urgent / of_urgent.sum()) - np.log(of_harmless / of_harmless.sum())
    return np.sqrt(np.abs(ratio))


def highest(scores: Floats, message: npt.NDArray[np.int64]) -> Floats:
    """The highest score of each message."""
    best = np.full(message[-1] + 1, -np.inf)
    np.maximum.at(best, message, scores)
    return best


def train() -> dict[str, Any]:
    """What ``urgent.json`` holds."""
    examples = everything(apart(written()))
    detector = Detector.fit(examples)
    urgent = [example for example in examples if example.urgent]
    rows = detector.worst_parts([example.text for example in urgent])
    short = [[name for name in row if name.startswith("/") and name.count(" ") < 2] for row in rows]
    lines: dict[str, set[str]] = defaultdict(set)
    for row, example in zip(short, urgent, strict=True):
        for name in row:
            lines[name].add(example.line)
    columns = {n: i for i, n in enumerate(sorted(n for n, found in lines.items() if len(found) >= 2 * LEAST_LINES))}
    matrix, weight = as_matrix(short, columns), [example.weight for example in urgent]
    one_by_one = [
        LogisticRegression(C=C, solver="liblinear", tol=1e-3, max_iter=300).fit(
            matrix, [example.family == family for example in urgent], sample_weight=weight
        )
        for family in FAMILIES
    ]
    coefficients = np.vstack([model.coef_ for model in one_by_one])
    weights = {name: round(SCALE * w) for name, w in zip(detector.columns, detector.weights, strict=True)}
    family = {name: [round(SCALE * w) for w in row] for name, row in zip(columns, coefficients.T, strict=True)}
    return {
        "scale": SCALE,
        "bias": round(SCALE * detector.bias),
        "threshold": round(SCALE * THRESHOLD),
        "families": FAMILIES,
        "family_bias": [round(SCALE * float(model.intercept_[0])) for model in one_by_one],
        "weights": {name: weight for name, weight in weights.items() if abs(weight) >= SMALLEST},
        "family_weights": {name: row for name, row in family.items() if max(map(abs, row)) >= 8 * SMALLEST},
    }


def everything(examples: list[Example]) -> list[Example]:
    """Written messages, and all that is made from them and beside them."""
    return [*examples, *joined(examples), *composed()]


def apart(examples: list[Example]) -> list[Example]:
    """Those that no list of ``tests/agent/messages`` holds, nor anything near; shows none of them.

    Near are two texts that share more than ``NEAR`` of their words and pairs of words (Jaccard's measure).
    """
    own = [words(example.text) for example in examples]
    lists = [
        words(json.loads(line)["text"])
        for name in ("urgent", "dark")
        for line in (LISTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    columns = {name: column for column, name in enumerate(sorted({name for found in lists for name in found}))}
    shared = (as_matrix(own, columns) @ as_matrix(lists, columns).T).toarray()
    sizes = [np.array([len(found) for found in texts]) for texts in (own, lists)]
    near = (shared > NEAR * (np.add.outer(*sizes) - shared)).any(axis=1)
    return [example for example, out in zip(examples, near, strict=True) if not out]


def words(text: str) -> list[str]:
    """The words and pairs of words of a text, in lower case, each once and sorted."""
    found = "".join(letter if letter.isalnum() else " " for letter in text.lower().replace("'", "")).split()
    return sorted({*found, *map(" ".join, pairwise(found))})


def cross_validate(folds: int) -> None:
    """Print misses and false alarms on written lines that were held out, for some thresholds."""
    examples = apart(written())
    lines = sorted({example.line for example in examples})
    random.Random(3).shuffle(lines)
    fold = {line: n % folds for n, line in enumerate(lines)}
    scores = np.zeros(len(examples))
    for n in range(folds):
        inside = np.array([fold[example.line] != n for example in examples])
        detector = Detector.fit(everything([e for e, used in zip(examples, inside, strict=True) if used]))
        scores[~inside] = detector.scores([e.text for e, used in zip(examples, inside, strict=True) if not used])
    weight = np.array([example.weight**2 for example in examples])
    print(
        "Shares of lines, each held out once:\n\n| threshold | " + " | ".join([*FAMILIES, "all missed", "false alarms"])
    )
    print("| ---: " * (len(FAMILIES) + 3) + "|")
    families = np.array([example.family for example in examples])
    for threshold in THRESHOLDS:
        missed = scores <= threshold
        chosen = [families == name for name in FAMILIES] + [families != "none"]
        shares = [np.average(missed[some], weights=weight[some]) for some in chosen]
        alarms = np.average(~missed[families == "none"], weights=weight[families == "none"])
        print(f"| {threshold} | " + " | ".join(f"{share:.1%}" for share in [*shares, alarms]) + " |")


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """How two sets of weights differ beyond what another processor's rounding may do; empty where they do not."""
    keys = one.keys() ^ other.keys() | {k for k in ("scale", "threshold") if one.get(k) != other.get(k)}
    if keys:
        return f"other {', '.join(sorted(keys))}"
    mine, theirs = one["weights"], other["weights"]
    far = [name for name in mine.keys() | theirs.keys() if abs(mine.get(name, 0) - theirs.get(name, 0)) > SMALLEST]
    return f"{len(far)} weights, such as that of {min(far)!r}" if far else ""


def as_text(data: dict[str, Any]) -> str:
    """JSON with a line for each weight, so that a change can be read."""

    def value(item: Any) -> str:
        if not isinstance(item, dict):
            return json.dumps(item)
        return "{\n" + ",\n".join(f"{json.dumps(key)}:{json.dumps(item[key])}" for key in item) + "\n}"

    return "{\n" + ",\n".join(f"{json.dumps(key)}: {value(item)}" for key, item in data.items()) + "\n}\n"


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=4, help="of cross-validation; 0 for none")
    parser.add_argument("--check", action="store_true", help="compare with the shipped weights, and write nothing")
    arguments = parser.parse_args()
    if arguments.check:
        apart_by = difference(train(), json.loads(SHIPPED.read_text(encoding="utf-8")))
        raise SystemExit(f"{SHIPPED} is not what the corpus gives: {apart_by}" if apart_by else 0)
    kept, total = len(apart(written())), len(written())
    print(f"{len({e.line for e in written()})} lines, {total} messages; {total - kept} are near a list and left out")
    if arguments.folds:
        cross_validate(arguments.folds)
    data = train()
    SHIPPED.write_text(as_text(data), encoding="utf-8")
    print(f"{SHIPPED}: {len(data['weights'])} weights, {SHIPPED.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
