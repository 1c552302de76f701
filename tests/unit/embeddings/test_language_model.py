"""A language model of a directory: a tiny one, made here with random weights."""

import threading
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from attune.embeddings.errors import ModelError
from attune.embeddings.language_model import LanguageModel

MESSAGES = [("user", "héllo")]
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


def make(directory: Path, template: str | None) -> Path:
    """A byte-level model of two layers."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({each: number for number, each in enumerate(["<end>", *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.chat_template = template
    fast.save_pretrained(directory)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(alphabet) + 1, max_position_embeddings=64, eos_token_id=0, **shape)
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel.load(make(tmp_path_factory.mktemp("llama"), TEMPLATE))


def test_it_writes_at_most_so_many_tokens_and_the_same_each_time(model: LanguageModel) -> None:
    first, second = (list(model.generate(MESSAGES, 12, threading.Event())) for _ in range(2))
    assert first == second
    assert 0 < sum(count for _, count in first) <= 12


def test_it_reads_what_the_chat_template_makes_of_messages(model: LanguageModel) -> None:
    assert model.tokens_of(MESSAGES) == len("user: héllo\n".encode())


def test_it_ends_where_its_positions_end(model: LanguageModel) -> None:
    assert sum(count for _, count in model.generate([("user", "x" * 50)], 100, threading.Event())) <= 7
    assert list(model.generate([("user", "x" * 100)], 100, threading.Event())) == []


def test_it_stops_when_it_is_told_to(model: LanguageModel) -> None:
    stopped = threading.Event()
    pieces = model.generate(MESSAGES, 12, stopped)
    next(pieces)
    stopped.set()
    assert list(pieces) == []


def test_a_base_model_goes_on_with_a_text_and_is_not_for_chats(tmp_path: Path) -> None:
    directory = make(tmp_path, None)
    with pytest.raises(ModelError, match="ATTUNE_LLM_PROMPT_STYLE=completion"):
        LanguageModel.load(directory)
    assert LanguageModel.load(directory, chats=False).tokens_of(MESSAGES) == len("héllo".encode())


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_directory_without_a_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=str(tmp_path)):
        LanguageModel.load(tmp_path / name)
