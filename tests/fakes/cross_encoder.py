"""A cross-encoder with random weights, a few kilobytes large: what it says is nonsense, and always the same."""

from pathlib import Path

WORDS = "a about apple bread cloud delta event eagle file hand lake loop memory of process queue run the wait work"


def save_cross_encoder(directory: Path, labels: int = 1, seed: int = 0) -> Path:
    """Write one as sentence-transformers does."""
    import torch  # noqa: PLC0415 - takes seconds, and few tests need it
    from sentence_transformers import CrossEncoder  # noqa: PLC0415
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast  # noqa: PLC0415

    plain = directory.with_name(f"{directory.name}.plain")
    plain.mkdir(parents=True)
    letters = [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS.split(),
        *(each[2:] for each in letters),
        *letters,
    ]
    (plain / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(dict.fromkeys(vocabulary)),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=labels,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(plain)
    BertTokenizerFast(str(plain / "vocab.txt"), model_max_length=64).save_pretrained(plain)
    CrossEncoder(str(plain), local_files_only=True, device="cpu").save_pretrained(str(directory))
    return directory
