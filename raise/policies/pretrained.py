"""Saving a policy, and loading and publishing it by the conventions of ``huggingface_hub``.

What writes, publishes and describes policies is imported when it is asked for: whoever only decides waits for none.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .batch import Known
from .decisions import Decision
from .golden import golden_cases
from .parts import PolicyParts

_Policy = TypeVar("_Policy", bound="Pretrained")


class Pretrained(ABC):
    """What can be saved, loaded and published, and decides."""

    @property
    @abstractmethod
    def parts(self) -> PolicyParts:
        """What it is made of; not to be changed."""

    @property
    @abstractmethod
    def golden_inputs(self) -> tuple[tuple[str, Known], ...]:
        """The (query, known) pairs whose decisions were checked when it was loaded."""

    @abstractmethod
    def decide(self, query: str, known: Known | None = None) -> Decision:
        """Ask or answer."""

    @classmethod
    @abstractmethod
    def _load(cls: type[_Policy], folder: Path, roots: Sequence[Path]) -> _Policy:
        """To be called by what the user calls, at which a warning points."""

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
        from .card import CARD, is_unedited
        from .writing import new_folder, write_parts

        golden = golden_cases(self.decide, self._chosen(golden_inputs), Path(path))
        # A card that nobody has edited speaks of the policy that is replaced.
        with new_folder(Path(path), [CARD] if is_unedited(Path(path) / CARD) else []) as folder:
            write_parts(folder, self.parts, golden)

    @classmethod
    def from_pretrained(
        cls: type[_Policy],
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> _Policy:
        """Load a policy from a folder or from a hub; the arguments are those of ``huggingface_hub``.

        Args:
            pretrained_model_name_or_path: a policy folder, or else the hub's id of one, such as ``name/policy``.
            revision: branch, tag or commit; a commit never changes.
            token: for the hub; None takes the one that ``hf auth login`` left.
            cache_dir: where downloads are kept.
            force_download: download again what is kept.
            local_files_only: take what is kept, ask no hub.

        Raises:
            PolicyError: as ``load``; or there is neither such a folder nor, that can be reached, such a policy; or its
                query encoder is another sentence-transformers model than all-MiniLM-L6-v2, which ``load`` takes.
            MissingExtraError: a hub is to be asked, and the extra ``hub`` is not installed.
        """
        from .hub import fetch

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
        from .card import CARD, card_for, is_unedited
        from .writing import new_folder, write_parts

        target = Path(save_directory)
        chosen = None if golden_inputs is None else list(golden_inputs)
        golden = golden_cases(self.decide, self._chosen(chosen), target)
        text = card_for(target / CARD, self.parts, **{"repo_id": repo_id, **(model_card_kwargs or {})})
        with new_folder(target, [CARD]) as folder:
            write_parts(folder, self.parts, golden)
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
        import shutil

        from .card import CARD
        from .hub import publish

        def save(folder: Path, name: str) -> None:
            if card is not None:
                folder.mkdir(exist_ok=True)
                shutil.copy(card, folder / CARD)
            self.save_pretrained(folder, golden_inputs=golden_inputs, repo_id=name, model_card_kwargs=model_card_kwargs)

        return publish(save, repo_id, commit_message=commit_message, revision=branch, **settings)

    def _chosen(self, inputs: Iterable[tuple[str, Known]] | None) -> Iterable[tuple[str, Known]]:
        return self.golden_inputs if inputs is None else inputs
