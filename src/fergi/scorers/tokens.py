"""Prompts as the tokens that text encoders read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import transformers

CLIP_TOKENS = 77
BLIP_TOKENS = 35


@dataclass
class Tokenizer:
    """Cuts prompts into tokens, as many as a model takes.

    Attributes:
        encode: A tokenizer of transformers.
        limit: The most tokens, with those that mark beginning and end.
        cleaned: What becomes of a prompt before.
        truncated: The prompts that were longer.
    """

    encode: Any
    limit: int
    cleaned: Callable[[str], str] = str
    truncated: set[str] = field(default_factory=set)

    def __call__(self, prompts: Sequence[str], device: torch.device) -> dict[str, torch.Tensor]:
        """Give `input_ids` and `attention_mask`, a row for each prompt.

        Rows are filled up to the longest, not to the limit as the originals do it: what is
        masked, or comes after the end of a prompt, changes no score.
        """
        texts = [self.cleaned(prompt) for prompt in prompts]
        lengths = [len(ids) for ids in self.encode(texts)["input_ids"]]
        pairs = zip(prompts, lengths, strict=True)
        self.truncated.update(prompt for prompt, length in pairs if length > self.limit)
        rows = self.encode(
            texts,
            padding=True,
            truncation=True,
            max_length=self.limit,
            return_tensors="pt",
        )
        return {name: rows[name].to(device) for name in ("input_ids", "attention_mask")}


def clip_tokenizer(vocabulary: Path, merges: Path, rows: int) -> Tokenizer:
    """Read the tokenizer that CLIP and all that come from it share.

    Args:
        vocabulary: `vocab.json`.
        merges: `merges.txt`.
        rows: How many tokens the model knows.

    Raises:
        WeightsError: If the files cannot be read, or know more tokens than the model.
    """
    try:
        encode = transformers().CLIPTokenizer(vocab=str(vocabulary), merges=str(merges))
    except Exception as error:
        raise _unreadable(vocabulary, error) from error
    return Tokenizer(_fitting(encode, rows, vocabulary), CLIP_TOKENS)


def blip_tokenizer(vocabulary: Path, rows: int) -> Tokenizer:
    """Read the tokenizer of BERT, with the two tokens that BLIP adds.

    Args:
        vocabulary: `vocab.txt`.
        rows: How many tokens the model knows.

    Raises:
        WeightsError: If the file cannot be read, or knows more tokens than the model.
    """
    try:
        encode = transformers().BertTokenizer(vocab=str(vocabulary))
        encode.add_tokens(["[DEC]", "[ENC]"], special_tokens=True)
    except Exception as error:
        raise _unreadable(vocabulary, error) from error
    return Tokenizer(_fitting(encode, rows, vocabulary), BLIP_TOKENS)


def _fitting(encode: Any, rows: int, vocabulary: Path) -> Any:
    if len(encode) > rows:
        raise WeightsError(
            f"{vocabulary}: knows {len(encode)} tokens, the model only {rows}; "
            "give the vocabulary of this model"
        )
    return encode


def _unreadable(vocabulary: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{vocabulary}: is no vocabulary of this kind ({str(error).strip()[:120]}); give another"
    )
