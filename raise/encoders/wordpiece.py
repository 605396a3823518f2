"""BERT's uncased tokenisation (Devlin et al., 2019) in plain Python: texts to numbers of word pieces.

Control characters are dropped, accents and case too; a text is split at white space, around each punctuation mark and
around each Chinese character; each word then is taken apart from its front, always by the longest piece known.

The same numbers as the library ``tokenizers`` gives, but for characters that are newer than its tables of Unicode.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from raise_agent.errors import ConfigError

_CONTINUED = "##"
_SPACES = "\t\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_RUN = re.compile(f"[^{_SPACES}]+")
_CHINESE = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
"""First and last code points. No regular expression: compiling one so wide takes milliseconds at each start."""
_PLAIN_WORD = re.compile(r"[a-z0-9]+|[^a-z0-9]")
"""Of a run of printable ASCII in lower case: letters and digits, or one punctuation mark."""
_DROPPED = frozenset({"Cc", "Cf", "Co", "Cs"})
"""Categories of Unicode: control, format, private use, surrogate."""
_SYMBOLS = frozenset("$+<=>^`|~")
"""Punctuation to BERT, as all of ASCII that is neither letter nor digit; symbols to Unicode."""
_REMEMBERED, _SHORT = 16384, 40
"""Runs of characters whose pieces are remembered: how many, and up to what length. A few MB at most."""
_LONGEST_WORD = 100
"""BERT's, in characters. The time that a word takes grows with the cube of its length, and with this is bounded."""
_MOST_SPECIAL, _LONGEST_SPECIAL = 128, 100
"""Added tokens, and characters of one: all are tried at each character of a text. BERT has five of six."""
_AT_ONCE = 1024
"""Characters of a run to decompose at once: putting marks in order takes the square of how many stand in a row."""
_EXPECTED: Mapping[str, Mapping[str, tuple[str | bool | None, ...]]] = {
    "model": {
        "type": ("WordPiece",),
        "continuing_subword_prefix": (_CONTINUED,),
    },
    "normalizer": {
        "type": ("BertNormalizer",),
        "clean_text": (True,),
        "handle_chinese_chars": (True,),
        "strip_accents": (None, True),
        "lowercase": (True,),
    },
    "pre_tokenizer": {"type": ("BertPreTokenizer",)},
}


class WordPieces:
    """A vocabulary of word pieces, and how texts are split into them. Safe to use from several threads.

    Args:
        tokenizer: what ``tokenizer.json`` says, as the library ``tokenizers`` writes it.

    Raises:
        ConfigError: it is another tokeniser than BERT's uncased one, or its vocabulary is not whole.
    """

    def __init__(self, tokenizer: Mapping[str, Any]) -> None:
        _check_kind(tokenizer)
        model = tokenizer["model"]
        self._numbers = _vocabulary(model.get("vocab"))
        self._longest_word = model.get("max_input_chars_per_word")
        if type(self._longest_word) is not int or not 1 <= self._longest_word <= _LONGEST_WORD:
            raise ConfigError(
                f"tokenizer.json: 'max_input_chars_per_word' must be a whole number, 1 to {_LONGEST_WORD}, as BERT's is"
            )
        unknown = model.get("unk_token")
        if not isinstance(unknown, str) or unknown not in self._numbers:
            raise ConfigError("tokenizer.json: 'unk_token' must be one of the vocabulary")
        self.unknown = self._numbers[unknown]
        """Number that stands for a word that cannot be put together."""
        lengths = list(map(len, self._numbers))
        self.median_length = int(np.median(lengths))
        """Of a token, in characters."""
        self._longest = max(lengths)
        self._special = _special(tokenizer.get("added_tokens"), self._numbers)
        self._remembered = lru_cache(_REMEMBERED)(self._of_run)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def words(self) -> list[str]:
        """Pieces that are English words of two letters or more, in the order of the vocabulary."""
        return [piece for piece in self._numbers if len(piece) > 1 and piece.isascii() and piece.isalpha()]

    def numbers(self, text: str) -> list[int]:
        """Numbers of the pieces of a text, in order; an unknown word counts as one. Linear in its length.

        A special token such as ``[PAD]`` that is spelt out in a text is itself.
        """
        found: list[int] = []
        for position, part in enumerate(self._special.split(text)):
            if position % 2:
                found.append(self._numbers[part])
                continue
            for run in _RUN.findall(part):
                found += self._remembered(run) if len(run) <= _SHORT else self._of_run(run)
        return found

    def _of_run(self, run: str) -> tuple[int, ...]:
        return tuple(number for word in _words(run) for number in self._of_word(word))

    def _of_word(self, word: str) -> list[int]:
        if len(word) > self._longest_word:
            return [self.unknown]
        found = []
        start, prefix = 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                number = self._numbers.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return [self.unknown]
            found.append(number)
            start, prefix = end, _CONTINUED
        return found


def _words(run: str) -> list[str]:
    """The words of a run of characters without white space, plain and lower-case; each punctuation mark is one."""
    if run.isascii() and run.isprintable():
        return _PLAIN_WORD.findall(run.lower())
    kept = "".join(c for c in run if c != "\ufffd" and unicodedata.category(c) not in _DROPPED)
    apart = "".join(f" {c} " if _is_chinese(c) else c for c in kept)
    parts = (apart[at : at + _AT_ONCE] for at in range(0, len(apart), _AT_ONCE))
    plain = "".join(unicodedata.normalize("NFD", part) for part in parts)
    # One by one: as a whole, a capital sigma at the end of a word would become another letter.
    lower = "".join(c.lower() for c in plain if unicodedata.category(c) != "Mn")
    return "".join(f" {c} " if _is_punctuation(c) else c for c in lower).split()


def _is_chinese(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _CHINESE)


def _is_punctuation(character: str) -> bool:
    return character in _SYMBOLS or unicodedata.category(character)[0] == "P"


def _check_kind(tokenizer: Mapping[str, Any]) -> None:
    for part, expected in _EXPECTED.items():
        given = tokenizer.get(part)
        for name, valid in expected.items():
            found = given.get(name) if isinstance(given, Mapping) else None
            if not any(found is value or (isinstance(value, str) and found == value) for value in valid):
                raise ConfigError(
                    f"tokenizer.json: {part!r} has {name} {found!r}, not {valid[0]!r}; a static encoder needs BERT's "
                    "uncased tokeniser (WordPiece, BertNormalizer, BertPreTokenizer), as all-MiniLM-L6-v2 has it"
                )


def _vocabulary(given: Any) -> dict[str, int]:
    if not isinstance(given, dict) or not given or set(map(type, given.values())) != {int}:
        raise ConfigError("tokenizer.json: 'vocab' must map tokens to whole numbers")
    if sorted(given.values()) != list(range(len(given))):
        raise ConfigError("tokenizer.json: the numbers of 'vocab' must be 0, 1, 2 and so on, each once")
    return given


def _special(added: Any, numbers: Mapping[str, int]) -> re.Pattern[str]:
    """What finds the added tokens in a text, before anything in it is changed."""
    plain = ("single_word", "lstrip", "rstrip", "normalized")
    tokens: list[str] = []
    for token in added or ():
        content = token["content"]
        if len(content) > _LONGEST_SPECIAL or len(tokens) == _MOST_SPECIAL:
            raise ConfigError(
                f"tokenizer.json: at most {_MOST_SPECIAL} tokens may be added, of at most {_LONGEST_SPECIAL} characters"
            )
        if not content or numbers.get(content) != token["id"] or any(token[name] for name in plain):
            raise ConfigError(
                f"tokenizer.json: added token {content!r} must be in the vocabulary under its own id, with none of "
                f"{', '.join(plain)}"
            )
        tokens.append(re.escape(content))
    return re.compile(f"({'|'.join(sorted(tokens, key=len, reverse=True)) or '(?!)'})")
