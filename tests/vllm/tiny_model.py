"""A causal language model of random weights, small enough for tests: `python tests/vllm/tiny_model.py FOLDER`.

Two layers of Qwen2 and a byte-level BPE tokenizer trained on this repository's own texts. It checks the plumbing and
never the quality: what it writes is noise. Two things are steered. Its very first word after a chat prompt is likely a
digit 1 to 5 or a letter A to J: whoever reads a score or a choice from token probabilities finds some. And a quotation
mark is likely everywhere, so that the texts in a form come to an end.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import (  # type: ignore[import-untyped]
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

DATA = Path(__file__).resolve().parents[2] / "raise"
DIGITS = tuple("12345")
LETTERS = tuple("ABCDEFGHIJ")
DIGIT_SHARE, LETTER_SHARE = 0.6, 0.25
"""The share of the next token's probability that each set holds together after a chat prompt, on average."""
VARIETY = 12.0
"""By how much the prompt's part in the choice among them is enlarged."""
QUOTE_SHARE = 0.2
"""The share of the next token's probability that a quotation mark would hold where nothing else is steered, about."""
VOCABULARY = 2_000
SEED = 0

ALWAYS = 0
"""Which number of the hidden state is the same at every token."""

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

Chat = list[dict[str, str]]


def build(folder: Path) -> Path:
    """Write model and tokenizer into a folder, as transformers and vLLM load them; returns it.

    The same weights every time, with the same versions of torch and transformers. Takes seconds.
    """
    tokenizer = _tokenizer()
    model = _model(tokenizer)
    _end_texts(model, tokenizer)
    _steer(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _texts() -> Iterator[str]:
    """Every string of the queries and the attribute table."""

    def strings(node: object) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            for key, value in node.items():
                yield key
                yield from strings(value)
        elif isinstance(node, list):
            for item in node:
                yield from strings(item)

    for file in ("data/queries.json", "penguin.json"):
        yield from strings(json.loads((DATA / file).read_text(encoding="utf-8")))


def _tokenizer() -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, START, STOP],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_texts(), trainer)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe, eos_token=STOP, pad_token=END, model_max_length=8192
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _model(tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return Qwen2ForCausalLM(config)  # type: ignore[no-untyped-call]


def _end_texts(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Raise the quotation mark everywhere, by a number of the hidden state that is positive at every token."""
    with torch.no_grad():
        model.model.embed_tokens.weight[:, ALWAYS] = 0.1
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[ALWAYS] = 0.0
            layer.mlp.down_proj.weight[ALWAYS] = 0.0
        rows = model.lm_head.weight
        rows[:, ALWAYS] = 0.0
        states = _ends(model, tokenizer, _chats()[0::2])[:, ALWAYS]
        wanted = math.log(QUOTE_SHARE / (1.0 - QUOTE_SHARE) * len(rows))
        rows[_ids(tokenizer, ['"']), ALWAYS] = wanted / states.mean()


def _steer(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Raise the steered tokens where a chat prompt ends, and hardly anywhere else.

    The hidden states at the ends of chat prompts have a direction in common that other tokens' lack. A multiple of it
    in a token's output row raises that token there. What the row holds beside it is enlarged, so that which
    of the digits is likeliest depends on the prompt.
    """
    ends = _ends(model, tokenizer, _chats()[0::2])
    common = ends.mean(0)
    common[ALWAYS] = 0.0
    common = common / common.square().sum()
    rows = model.lm_head.weight.detach()
    sets = [(_ids(tokenizer, DIGITS), DIGIT_SHARE), (_ids(tokenizer, LETTERS), LETTER_SHARE)]
    for ids, _ in sets:
        along = rows[ids] @ common[:, None] / common.square().sum()
        rows[ids] = VARIETY * (rows[ids] - along * common)
    for _ in range(100):
        held = torch.softmax(ends @ rows.T, 1)
        for ids, share in sets:
            rows[ids] += 0.3 * (share / held[:, ids].sum(1).mean()).log() * common


def shares(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, chats: Sequence[Chat]
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the digits, and the letters, hold of the next token's probability after each chat prompt; (chats,) each."""
    held = torch.softmax(_ends(model, tokenizer, chats) @ model.lm_head.weight.detach().T, 1)
    return held[:, _ids(tokenizer, DIGITS)].sum(1), held[:, _ids(tokenizer, LETTERS)].sum(1)


def _ids(tokenizer: PreTrainedTokenizerFast, tokens: Sequence[str]) -> list[int]:
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in tokens]


def _ends(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, chats: Sequence[Chat]) -> torch.Tensor:
    """The final hidden states (chats, 64) where the answer begins."""
    prompts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    with torch.no_grad():
        return torch.cat(
            [
                model.model(tokenizer(prompt, return_tensors="pt").input_ids).last_hidden_state[:, -1]
                for prompt in prompts
            ]
        )


def _chats() -> list[Chat]:
    """Chat prompts from a line to some pages, half of them with a system message."""
    texts = [text for text in _texts() if " " in text]
    chats = []
    for i in range(120):
        chat = [{"role": "user", "content": "\n".join(texts[i : i + 1 + (i // 2) ** 2 % 61])}]
        if i // 2 % 2:
            chat.insert(0, {"role": "system", "content": texts[-1 - i]})
        chats.append(chat)
    return chats


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/vllm/tiny_model.py FOLDER")
    folder = build(Path(sys.argv[1]))
    model, tokenizer = Qwen2ForCausalLM.from_pretrained(folder), PreTrainedTokenizerFast.from_pretrained(folder)
    print(f"{folder}: share of the next token's probability after chat prompts that it was not fitted to")
    for name, share in zip(("1 to 5", "A to J"), shares(model, tokenizer, _chats()[1::2]), strict=True):
        print(f"  {name}: {share.mean():.2f} ({share.min():.2f} to {share.max():.2f})")


if __name__ == "__main__":
    main()
