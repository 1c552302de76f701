import json

import pytest

from attune.embeddings.config import EncoderConfig, Pooling, read_model_config
from attune.embeddings.errors import ModelError


def test_the_packaged_model_reads_as_published(packaged_model):
    config = read_model_config(packaged_model)
    assert config.encoder == EncoderConfig(
        family="bert",
        vocab_size=30522,
        hidden_size=384,
        intermediate_size=1536,
        num_hidden_layers=6,
        num_attention_heads=12,
        max_position_embeddings=512,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
        embedding_size=384,
    )
    assert (config.pooling, config.normalize, config.max_tokens) == (Pooling.MEAN, True, 256)
    assert (config.query_prompt, config.passage_prompt) == ("", "")


@pytest.mark.parametrize(
    ("written", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, Pooling.MEAN),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, Pooling.CLS),
        ({"pooling_mode": "cls", "include_prompt": True}, Pooling.CLS),
        ({"pooling_mode": ["mean"]}, Pooling.MEAN),
        ({"pooling_mode_max_tokens": False}, Pooling.MEAN),
        ({"pooling_mode_max_tokens": True}, Pooling.MAX),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, Pooling.MEAN_SQRT_LENGTH),
        ({"pooling_mode_weightedmean_tokens": True}, Pooling.WEIGHTED_MEAN),
        ({"pooling_mode": "lasttoken"}, Pooling.LAST),
    ],
)
def test_pooling_is_read_in_the_old_and_the_new_form(write_model, tmp_path, written, pooling):
    assert read_model_config(write_model(tmp_path, pooling=written)).pooling is pooling


@pytest.mark.parametrize(
    "written",
    [
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode_attention": True},
        {"pooling_mode": "median"},
        {"pooling_mode": 3},
        {"pooling_mode": []},
        {"pooling_mode": ["mean", "max"]},
        {"pooling_mode": "mean", "include_prompt": False},
    ],
)
def test_other_poolings_are_refused(write_model, tmp_path, written):
    with pytest.raises(ModelError, match=r"1_Pooling/config\.json: .* is not supported: use a model"):
        read_model_config(write_model(tmp_path, pooling=written))


def test_a_model_without_a_normalize_module_is_not_normalised(write_model, tmp_path):
    assert read_model_config(write_model(tmp_path, normalize=False)).normalize is False


def test_a_further_module_is_refused(tiny_model):
    modules = json.loads((tiny_model / "modules.json").read_text())
    modules.insert(2, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (tiny_model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=r"modules\.json: modules .*'Dense'.* are not supported"):
        read_model_config(tiny_model)


@pytest.mark.parametrize("content", ["3", "[3]", '[{"path": ""}]', "null"])
def test_malformed_modules_are_refused(tiny_model, content):
    (tiny_model / "modules.json").write_text(content)
    with pytest.raises(ModelError, match=r"modules\.json: each module needs a type and a path"):
        read_model_config(tiny_model)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "gpt2"),
        ("model_type", None),
        ("is_decoder", True),
        ("hidden_act", "relu"),
        ("position_embedding_type", "relative_key"),
    ],
)
def test_what_is_not_supported_is_refused_with_what_is(write_model, tmp_path, field, value):
    with pytest.raises(ModelError, match=rf"config\.json: {field} .* not supported: use a model"):
        read_model_config(write_model(tmp_path, config={field: value}))


def test_the_refusal_of_an_architecture_names_the_supported_ones(write_model, tmp_path):
    with pytest.raises(ModelError, match=r"RobertaModel.*use a model whose architecture begins with BertModel"):
        read_model_config(write_model(tmp_path, config={"architectures": ["RobertaModel"]}))


def test_the_refusal_of_a_family_names_the_supported_ones(write_model, tmp_path):
    with pytest.raises(ModelError, match=r"'gpt2' is not supported: use a model of type bert, .*mpnet.*modernbert"):
        read_model_config(write_model(tmp_path, config={"model_type": "gpt2"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_activation": "relu"}, "hidden_activation 'relu' is not supported"),
        ({"layer_types": ["full_attention"]}, "layer_types must be 2 of"),
        ({"layer_types": ["full_attention", "round_attention"]}, "layer_types must be 2 of"),
        ({"local_attention": 0}, "local_attention is 0, expected a positive whole number"),
        ({"mlp_bias": "no"}, "mlp_bias is 'no', expected true or false"),
        ({"rope_parameters": 3}, "rope_parameters is 3, expected an object"),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}},
            r"rope_parameters\.full_attention\.rope_type 'yarn' is not supported",
        ),
        ({"global_rope_theta": -1}, "global_rope_theta is -1, expected a positive number"),
    ],
)
def test_what_modernbert_cannot_have_is_named(write_model, tmp_path, change, message):
    family = {"model_type": "modernbert", "architectures": ["ModernBertModel"]}
    with pytest.raises(ModelError, match=message):
        read_model_config(write_model(tmp_path, config=family | change))


def test_positions_that_are_all_reserved_are_refused(write_model, tmp_path):
    change = {"model_type": "roberta", "architectures": ["RobertaModel"], "pad_token_id": 39}
    with pytest.raises(ModelError, match="max_position_embeddings 40 leaves no position, as the first is 40"):
        read_model_config(write_model(tmp_path, config=change))


@pytest.mark.parametrize("value", [None, 0, -3, "32", 3.5, True])
@pytest.mark.parametrize("field", ["hidden_size", "vocab_size", "num_hidden_layers", "max_position_embeddings"])
def test_dimensions_must_be_positive_whole_numbers(write_model, tmp_path, field, value):
    with pytest.raises(ModelError, match=rf"config\.json: {field} is .*, expected a positive whole number"):
        read_model_config(write_model(tmp_path, config={field: value}))


@pytest.mark.parametrize("value", [0, -1e-12, "small", None])
def test_the_norm_epsilon_must_be_positive(write_model, tmp_path, value):
    with pytest.raises(ModelError, match="layer_norm_eps is"):
        read_model_config(write_model(tmp_path, config={"layer_norm_eps": value}))


def test_heads_must_divide_the_hidden_size(write_model, tmp_path):
    with pytest.raises(ModelError, match="hidden size 32 is not a multiple of the number of attention heads, 5"):
        read_model_config(write_model(tmp_path, config={"num_attention_heads": 5}))


@pytest.mark.parametrize("name", ["config.json", "modules.json", "1_Pooling/config.json"])
def test_missing_configuration_is_named(tiny_model, name):
    (tiny_model / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        read_model_config(tiny_model)


@pytest.mark.parametrize("content", ["{", "", "\xff"])
def test_what_is_not_json_is_named(tiny_model, content):
    (tiny_model / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(ModelError, match=r"config\.json is not valid JSON"):
        read_model_config(tiny_model)


def test_a_list_for_an_object_is_refused(tiny_model):
    (tiny_model / "config.json").write_text("[]")
    with pytest.raises(ModelError, match=r"config\.json holds a list, expected a JSON object"):
        read_model_config(tiny_model)


@pytest.mark.parametrize(
    ("sentence", "tokenizer", "expected"),
    [
        ({"max_seq_length": 24}, {"model_max_length": 30}, 24),
        ({}, {"model_max_length": 30}, 30),
        ({"max_seq_length": None}, {"model_max_length": 30}, 30),
        ({}, {}, 40),
        ({"max_seq_length": 400}, {}, 40),
        ({}, {"model_max_length": 1e30}, 40),
    ],
)
def test_the_token_limit_is_where_either_version_keeps_it(tiny_model, sentence, tokenizer, expected):
    (tiny_model / "sentence_bert_config.json").write_text(json.dumps(sentence))
    (tiny_model / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    assert read_model_config(tiny_model).max_tokens == expected


@pytest.mark.parametrize("limit", [0, -1, "24"])
def test_an_impossible_token_limit_is_refused(tiny_model, limit):
    (tiny_model / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit}))
    with pytest.raises(ModelError, match=r"sentence_bert_config\.json: max_seq_length is"):
        read_model_config(tiny_model)


@pytest.mark.parametrize(
    ("written", "query", "passage"),
    [
        ({"prompts": {"query": "q: ", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"query": "q: ", "document": "d: ", "passage": "p: "}}, "q: ", "d: "),
        ({"prompts": {"query": "q: "}}, "q: ", ""),
        ({"prompts": {"all": "a: ", "query": "q: "}, "default_prompt_name": "all"}, "q: ", "a: "),
        ({"prompts": None}, "", ""),
    ],
)
def test_prompts_are_read_by_role(tiny_model, written, query, passage):
    (tiny_model / "config_sentence_transformers.json").write_text(json.dumps(written))
    config = read_model_config(tiny_model)
    assert (config.query_prompt, config.passage_prompt) == (query, passage)


@pytest.mark.parametrize("prompts", [["query"], {"query": 3}])
def test_malformed_prompts_are_refused(tiny_model, prompts):
    (tiny_model / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    with pytest.raises(ModelError, match="prompts must map names to texts"):
        read_model_config(tiny_model)
