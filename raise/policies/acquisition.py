"""The policy that other projects load: which question next, or answer now. numpy only.

from raise_agent import AcquisitionPolicy
policy = AcquisitionPolicy.load("path/to/policy")
decision = policy.decide(query, known={"Age": "25-34", "Health Status": None})
"""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raise_agent.attributes import AttributeTable
from raise_agent.errors import PolicyError, RaiseError, TableError
from raise_agent.text import well_formed

from .batch import BatchScorer, Known, query_vectors
from .card import CARD, card_for, is_unedited
from .decisions import ANSWER, DIGITS, Answer, Ask, Decision, Decisions, Rule
from .folder import GOLDEN, MAX_GOLDEN, PolicyParts, new_folder, read_parts, write_parts
from .hub import fetch, publish
from .memory import Recollection
from .network import Array, PolicyNetwork

__all__ = ["AcquisitionPolicy", "Answer", "Ask", "Decision", "Decisions", "SimulatedPolicyWarning"]


Bits = npt.NDArray[np.bool_]

_SAME = 1e-4
"""How far a golden score may lie from the one made here."""


class SimulatedPolicyWarning(UserWarning):
    """A policy was distilled from simulated scores: fit for trying things out, not for people."""


class AcquisitionPolicy:
    """Decides, turn by turn, from the query and the answers so far. Safe to share between threads.

    Use ``load``; the constructor is for exporters.

    Args:
        parts: what it is made of.
        golden_inputs: what ``save`` keeps decisions for if it is given none.

    Raises:
        PolicyError: the parts do not make a policy that could be saved and loaded again.
    """

    def __init__(self, parts: PolicyParts, golden_inputs: Iterable[tuple[str, Known]] = ()) -> None:
        for file, fault in parts.faults():
            raise PolicyError(f"not a sound policy: {file}: {fault}")
        self._parts = parts
        self._network = PolicyNetwork(parts.shape, parts.weights)
        self._recollection = None if parts.memory is None else Recollection(parts.memory)
        self._value_encoder = parts.value_encoder
        self._rule = Rule(parts.table, parts.budget, parts.min_gain, parts.gain_spread, parts.gain_share)
        self._golden = tuple((query, dict(known)) for query, known in golden_inputs)

    @property
    def table(self) -> AttributeTable:
        """The attributes it may ask for."""
        return self._parts.table

    @property
    def budget(self) -> int:
        """Most questions, declined ones counted."""
        return self._parts.budget

    def spread(self, gain: float) -> float:
        """Standard deviation of what a question brings that is forecast to bring ``gain``, both in score points."""
        return self._rule.spread(gain)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Which models, planner, data and commit it comes from."""
        return self._parts.provenance

    @property
    def simulated(self) -> bool:
        """Whether it was distilled from simulated scores."""
        return bool(self._parts.provenance["simulated"])

    @property
    def golden_inputs(self) -> tuple[tuple[str, Known], ...]:
        """The (query, known) pairs whose decisions were checked when it was loaded."""
        return self._golden

    @property
    def parts(self) -> PolicyParts:
        """What it is made of; not to be changed."""
        return self._parts

    @property
    def network(self) -> PolicyNetwork:
        """What forecasts; takes ``inputs``."""
        return self._network

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AcquisitionPolicy:
        """Load and check a policy folder, and repeat its golden decisions.

        Raises:
            PolicyError: it is missing, cut short, altered, of a later format, or decides otherwise here.
            MissingExtraError: its query encoder needs an extra that is not installed.
        """
        return cls._load(Path(path), ())

    @classmethod
    def _load(cls, folder: Path, roots: Sequence[Path]) -> AcquisitionPolicy:
        """To be called by what the user calls, at which the warning points."""
        parts, golden = read_parts(folder, roots)
        policy = cls(parts)
        policy._check_golden(golden, folder)
        policy._golden = tuple((case["query"], dict(case["known"] or {})) for case in golden)
        if policy.simulated:
            warnings.warn(
                f"{folder}: this policy was distilled from simulated scores; use it to try things out, not with people",
                SimulatedPolicyWarning,
                stacklevel=3,
            )
        return policy

    def save(self, path: str | os.PathLike[str], golden_inputs: Iterable[tuple[str, Known]] | None = None) -> None:
        """Write a policy folder; one that is there is replaced whole or, on any failure, not at all.

        Args:
            path: the folder.
            golden_inputs: (query, known) pairs whose decisions are kept and repeated on load, 1 to 1,000; None keeps
                those that the policy was loaded with. They are shipped with it: use made-up people only.

        Raises:
            PolicyError: something that is no policy is in the way, there is no golden input, or a part is not
                plain data.
        """
        golden = self._golden_cases(Path(path), golden_inputs)
        # A card that nobody has edited speaks of the policy that is replaced.
        with new_folder(Path(path), [CARD] if is_unedited(Path(path) / CARD) else []) as folder:
            write_parts(folder, self._parts, golden)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> AcquisitionPolicy:
        """Load a policy from a folder or from a hub; the arguments are those of ``huggingface_hub``.

        Args:
            pretrained_model_name_or_path: a policy folder, or else the hub's id of one, such as ``name/policy``.
            revision: branch, tag or commit; a commit never changes.
            token: for the hub; None takes the one that ``hf auth login`` left.
            cache_dir: where downloads are kept.
            force_download: download again what is kept.
            local_files_only: take what is kept, ask no hub.

        Raises:
            PolicyError: as ``load``; or there is neither such a folder nor, that can be reached, such a policy.
            MissingExtraError: a hub is to be asked, and the extra ``hub`` is not installed.
        """
        folder, roots = fetch(
            pretrained_model_name_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        return cls._load(folder, roots)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        *,
        golden_inputs: Iterable[tuple[str, Known]] | None = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: Mapping[str, Any] | None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """``save``, with a model card, README.md, beside. A card that was edited by hand is kept as it is.

        Args:
            save_directory: the folder.
            golden_inputs: as for ``save``.
            repo_id: where ``push_to_hub`` is true, the hub's id; None takes the folder's name.
            push_to_hub: also publish it.
            model_card_kwargs: settings of ``policy_card``: licence, results and more.
            **push_to_hub_kwargs: of ``push_to_hub``.

        Returns:
            The commit's address if it was published, else None.

        Raises:
            PolicyError: as ``save``; or an edited card does not say that the scores were simulated.
        """
        target = Path(save_directory)
        chosen = None if golden_inputs is None else list(golden_inputs)
        golden = self._golden_cases(target, chosen)
        text = card_for(target / CARD, self._parts, **{"repo_id": repo_id, **(model_card_kwargs or {})})
        with new_folder(target, [CARD]) as folder:
            write_parts(folder, self._parts, golden)
            (folder / CARD).write_bytes(text.encode("utf-8"))
        if not push_to_hub:
            return None
        # An edited card is published too, not replaced on the way.
        edited = None if is_unedited(target / CARD) else target / CARD
        settings = {"golden_inputs": chosen, "model_card_kwargs": model_card_kwargs, **push_to_hub_kwargs}
        return self._publish(repo_id or target.name, edited, **settings)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        golden_inputs: Iterable[tuple[str, Known]] | None = None,
        commit_message: str = "Upload policy with raise-agent.",
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        allow_patterns: Sequence[str] | str | None = None,
        ignore_patterns: Sequence[str] | str | None = None,
        delete_patterns: Sequence[str] | str | None = None,
        model_card_kwargs: Mapping[str, Any] | None = None,
    ) -> str:
        """Publish it, golden inputs and provenance included, under ``repo_id``; made there if it is missing.

        Unless ``private`` is true it is public, or what the organisation's default says. The arguments are those of
        ``huggingface_hub.ModelHubMixin.push_to_hub``, ``golden_inputs`` those of ``save``. Files of an earlier
        encoder are deleted in the same commit.

        Returns:
            The commit's address.

        Raises:
            PolicyError: as ``save``; or the hub cannot be reached or refuses.
            MissingExtraError: the extra ``hub`` is not installed.
        """

        return self._publish(
            repo_id,
            None,
            golden_inputs=None if golden_inputs is None else list(golden_inputs),
            model_card_kwargs=model_card_kwargs,
            commit_message=commit_message,
            private=private,
            token=token,
            branch=branch,
            create_pr=create_pr,
            allow_patterns=allow_patterns,
            ignore_patterns=ignore_patterns,
            delete_patterns=delete_patterns,
        )

    def _publish(
        self,
        repo_id: str,
        card: Path | None,
        *,
        golden_inputs: Sequence[tuple[str, Known]] | None = None,
        model_card_kwargs: Mapping[str, Any] | None = None,
        commit_message: str = "Upload policy with raise-agent.",
        branch: str | None = None,
        **settings: Any,
    ) -> str:
        """``push_to_hub``, with a card that was edited, if there is one."""

        def save(folder: Path, name: str) -> None:
            if card is not None:
                folder.mkdir(exist_ok=True)
                shutil.copy(card, folder / CARD)
            self.save_pretrained(folder, golden_inputs=golden_inputs, repo_id=name, model_card_kwargs=model_card_kwargs)

        return publish(save, repo_id, commit_message=commit_message, revision=branch, **settings)

    def decide(self, query: str, known: Known | None = None) -> Decision:
        """Ask or answer.

        Args:
            query: what the user wrote.
            known: answers so far, text or finite number, by attribute key, name or alias; None for a question asked
                and declined. As in data files, blank text, NaN and the table's spellings of "unknown" count as None.

        Raises:
            PolicyError: the query is not text, or an answer is neither text, number nor None.
            TableError: an attribute is unknown or given twice.
        """
        _check(query, known)
        answers = self._read(known or {})
        return self._rule.decide(self._scores(self._encode_one(query), answers), len(answers))

    def encode(self, queries: Sequence[str]) -> Array:
        """What the network reads of queries, (queries, query_dimension), each as ``decide`` would make it.

        Raises:
            PolicyError: a query is not text.
        """
        vectors = np.empty((len(queries), self._parts.shape.query_dimension), np.float32)
        for row, query in enumerate(queries):
            _check(query, None)
            # One at a time: a sentence encoder pads a batch, and then gives slightly other vectors.
            vectors[row] = self._encode_one(query)
        return vectors

    def decide_batch(
        self,
        conversations: Sequence[tuple[str, Known | None]],
        encoded: npt.ArrayLike | None = None,
    ) -> Decisions:
        """Decide many conversations at once; each decision is exactly the one that ``decide`` makes.

        Args:
            conversations: (query, known) pairs, as for ``decide``.
            encoded: ``encode`` of their queries, a row for each conversation; None encodes each distinct query here.

        Returns:
            The decisions, in order; they hold arrays, and make ``Ask`` and ``Answer`` when these are taken out.

        Raises:
            PolicyError, TableError: as ``decide``, with the number of a conversation at fault, from 0; or ``encoded``
                does not fit.
        """
        pairs = list(conversations)
        knowns = []
        for number, pair in enumerate(pairs):
            try:
                query, known = pair
                if not (type(query) is str and (known is None or type(known) is dict)):
                    _check(query, known)
            except (TypeError, ValueError):
                raise PolicyError(f"conversation {number}: a pair of query and known is expected") from None
            except PolicyError as error:
                raise PolicyError(f"conversation {number}: {error}") from None
            knowns.append(known)
        which = None
        if encoded is None:
            place: dict[str, int] = {}
            which = np.array([place.setdefault(query, len(place)) for query, _ in pairs], np.intp)
            vectors = self.encode(list(place))
        else:
            vectors = query_vectors(encoded, len(pairs), self._parts.shape.query_dimension)
        scorer = BatchScorer(self._network, self.table, self._value_encoder, self._read, self._scores)
        now, scores = scorer.score(knowns, vectors, which)
        return Decisions(self._rule, self._rule.decide_all(now, scores), now, scores)

    def inputs(self, query: str, known: Known | None = None) -> dict[str, npt.NDArray[Any]]:
        """What the network is given for ``decide``, by the names that ``export_onnx`` gives its inputs; one state.

        Raises:
            PolicyError, TableError: as ``decide``.
        """
        _check(query, known)
        values, answered, declined = self._arrays(self._read(known or {}))
        return {"query": self._encode_one(query), "values": values, "answered": answered, "declined": declined}

    def _golden_cases(self, path: Path, inputs: Iterable[tuple[str, Known]] | None) -> list[dict[str, Any]]:
        golden = [
            {"query": query, "known": dict(known or {}), "decision": _plain(self.decide(query, known))}
            for query, known in (self._golden if inputs is None else inputs)
        ]
        if not golden:
            raise PolicyError(f"{path}: a policy needs at least one golden decision")
        if len(golden) > MAX_GOLDEN:
            raise PolicyError(f"{path}: {len(golden)} golden decisions; each is repeated on load, {MAX_GOLDEN} at most")
        return golden

    def _encode_one(self, query: str) -> Array:
        """(1, query_dimension): what the network reads of it."""
        vector = self._parts.encoder.encode([well_formed(query)])
        return vector if self._recollection is None else self._recollection.recall(vector)

    def _read(self, known: Mapping[Any, object]) -> dict[int, str | None]:
        """Answers by attribute index; a value that only says "unknown" counts as declined."""
        answers: dict[int, str | None] = {}
        for spelling, value in known.items():
            if not isinstance(spelling, str):
                raise PolicyError(f"an attribute is named by text, not {type(spelling).__name__}")
            index = self.table.index(spelling)
            if index in answers:
                raise TableError(f"attribute {self.table.keys[index]!r} is given twice")
            answers[index] = _text(value, self.table.keys[index], self.table)
        return answers

    def _scores(self, query: Array, answers: Mapping[int, str | None]) -> dict[str, float]:
        """Expected score less cost of each question left, and of answering now; ``query`` is one vector, (1, d)."""
        mixed = self._network.query_part(query)
        # In table order: sums in another order would be rounded otherwise.
        for index in sorted(answers):
            value = answers[index]
            if value is None:
                mixed += self._network.declined_part(index)
            else:
                mixed += self._network.answer_part(index, self._value_encoder.encode([value])[0])
        now, *gains = self._network.head(mixed)[0].tolist()
        # Adding zero makes one of the two zeros.
        scores = {ANSWER: round(now, DIGITS) + 0.0}
        for index, (key, cost, gain) in enumerate(zip(self.table.keys, self.table.costs, gains, strict=True)):
            if index not in answers:
                scores[key] = round(now + gain - cost, DIGITS) + 0.0
        return scores

    def _arrays(self, answers: Mapping[int, str | None]) -> tuple[Array, Bits, Bits]:
        """Codes of the answers, (1, n, v), and marks of what was answered and what was declined, (1, n)."""
        n = len(self.table)
        answered, declined = np.zeros((1, n), np.bool_), np.zeros((1, n), np.bool_)
        values = np.zeros((1, n, self._parts.shape.value_dimension), np.float32)
        given = [(index, value) for index, value in answers.items() if value is not None]
        for index in answers:
            declined[0, index] = True
        if given:
            indices = [index for index, _ in given]
            answered[0, indices], declined[0, indices] = True, False
            values[0, indices] = self._value_encoder.encode([value for _, value in given])
        return values, answered, declined

    def _check_golden(self, golden: list[Any], folder: Path) -> None:
        for number, case in enumerate(golden, start=1):
            try:
                made = _plain(self.decide(case["query"], case["known"]))
                same = _agree(made, case["decision"], self._parts.gain_spread)
            except (AttributeError, LookupError, TypeError, ArithmeticError, RaiseError) as error:
                raise PolicyError(
                    f"{folder / GOLDEN}: case {number} is not usable ({type(error).__name__}); export the policy again"
                ) from error
            if not same:
                raise PolicyError(
                    f"{folder / GOLDEN}: case {number} is decided otherwise here; the policy or numpy is not sound"
                )


def _check(query: object, known: object) -> None:
    if not isinstance(query, str):
        raise PolicyError(f"the query must be text, not {type(query).__name__}")
    if known is not None and not isinstance(known, Mapping):
        raise PolicyError(f"known must map attributes to answers, not be {type(known).__name__}")


def _text(value: object, key: str, table: AttributeTable) -> str | None:
    """An answer as the data loaders would read it, since the policy learned from what they read."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    wanted = f"the answer for {key!r} must be text, a finite number or None"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise PolicyError(f"{wanted}, not {type(value).__name__}")
    if isinstance(value, float) and math.isinf(value):
        raise PolicyError(f"{wanted}; it is infinite")
    try:
        return table.text_of(value)
    except ValueError:
        raise PolicyError(f"{wanted}; it has too many digits") from None


def _plain(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Ask):
        return {"ask": decision.attribute.key, "scores": dict(decision.scores)}
    return {"answer": round(decision.confidence, DIGITS), "scores": dict(decision.scores)}


def _agree(made: Mapping[str, Any], expected: Mapping[str, Any], spread: float) -> bool:
    """The same action, with scores equal but for the last rounded digits."""
    return (
        made.keys() == expected.keys()
        and made.get("ask") == expected.get("ask")
        and made["scores"].keys() == expected["scores"].keys()
        and all(abs(score - expected["scores"][key]) < _SAME for key, score in made["scores"].items())
        # A score that rounds to the other side moves the confidence by up to 10**-DIGITS / spread.
        and ("answer" not in made or abs(made["answer"] - expected["answer"]) < _SAME + 10**-DIGITS / spread)
    )
