"""A causal language model of a local directory, by transformers: text in, text out, token by token.

It stands among the embeddings because torch stays below them, and for nothing else: services hand it to whoever asks.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from transformers import AutoModelForCausalLM, AutoTokenizer

from attune.embeddings.errors import ModelError


class LanguageModel:
    """Writes greedily. Not safe for several threads at once."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self.name = name

    @classmethod
    def load(cls, directory: Path, *, device: str = "cpu", chats: bool = True) -> "LanguageModel":
        """The model of a directory in the layout of transformers; nothing is fetched, and no code of it is run.

        Raises:
            ModelError: there is none that can be read, or it has no chat template although it is asked in a chat.
        """
        if not directory.is_dir():
            raise ModelError(f"{directory}: is no directory; name one with a causal language model of transformers")
        try:
            tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(directory, local_files_only=True)
        except Exception as error:  # transformers raises whatever its files' readers raise
            raise ModelError(
                f"{directory}: holds no causal language model that transformers can read; it needs config.json, "
                "the tokenizer's files and safetensors"
            ) from error
        if chats and not tokenizer.chat_template:
            raise ModelError(f"{directory}: has no chat template; base models need ATTUNE_LLM_PROMPT_STYLE=completion")
        return cls(model.to(device), tokenizer, directory.name)

    def tokens_of(self, messages: Sequence[tuple[str, str]]) -> int:
        """How many tokens it reads of (role, content) messages."""
        return len(self._read(messages))

    def generate(
        self, messages: Sequence[tuple[str, str]], most_tokens: int, stopped: threading.Event
    ) -> Iterator[tuple[str, int]]:
        """The most likely continuation, in pieces of text, each with how many tokens it took.

        Args:
            messages: (role, content); where the model has no chat template, a single one that it goes on with.
            most_tokens: after so many it ends.
            stopped: once set, it ends after the token at hand.
        """
        read = self._read(messages)
        tokens = torch.tensor([read], device=self._model.device)
        past: Any = None
        decoding = DecodeStream(skip_special_tokens=True)
        ends = self._ends()
        with torch.inference_mode():
            for _ in range(min(most_tokens, self._room(len(read)))):
                if stopped.is_set():
                    return
                answer = self._model(input_ids=tokens, past_key_values=past, use_cache=True)
                past = answer.past_key_values
                token = int(answer.logits[0, -1].argmax())
                if token in ends:
                    return
                yield decoding.step(self._tokenizer.backend_tokenizer, token) or "", 1
                tokens = torch.tensor([[token]], device=self._model.device)

    def _read(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        if self._tokenizer.chat_template:
            turns = [{"role": role, "content": content} for role, content in messages]
            prompt = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
            return list(self._tokenizer(prompt, add_special_tokens=False)["input_ids"])
        return list(self._tokenizer(messages[0][1])["input_ids"])

    def _ends(self) -> frozenset[int]:
        given = self._model.generation_config.eos_token_id
        ends = given if isinstance(given, list) else [given]
        return frozenset(each for each in (*ends, self._tokenizer.eos_token_id) if each is not None)

    def _room(self, read: int) -> int:
        """How many tokens fit behind those that were read."""
        holds = getattr(self._model.config, "max_position_embeddings", None)
        return max(0, holds - read) if holds else 1 << 30
