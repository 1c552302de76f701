"""Experts in a running embedding role: added, listed, routed to and refused, through gRPC and the command line."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from tests.e2e.conftest import config_in
from tests.unit.embeddings.augmentation.test_files import probes_for
from tests.unit.embeddings.conftest import write_tiny_model
from tests.unit.embeddings.mixture.material import add_expert, ffn_tensors
from typer.testing import CliRunner

from attune.embedding.v1 import embedding_pb2 as embedding
from attune.embeddings.augmentation.files import save_augmenter
from attune.embeddings.augmentation.kinds import Augmentation
from attune.embeddings.augmentation.manifest import AugmenterEntry
from attune.embeddings.embedder import Embedder
from attune.embeddings.items import EmbedItem
from attune.embeddings.mixture.manifest import read_manifest, write_manifest
from attune.embeddings.mixture.samples import write_sample
from attune.embeddings.router import DomainSample
from attune.search.v1.search_pb2 import Document
from attune.services.cli.background import running_system
from attune.services.cli.main import app
from attune.services.client import Client
from attune.services.client.channels import Addresses
from attune.services.runtime.clock import system_clock
from attune.services.runtime.config import RoleName
from attune.services.runtime.logs import configure_logs

pytestmark = pytest.mark.e2e
CATS = [f"the cat sat on the {word} mat" for word in "abcdefghij"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


@pytest.fixture
def client(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    configure_logs("error")  # else the service in this process would log between the command's lines
    config = config_in(tmp_path / "data", model_path=model, precision="fp32")
    with running_system(config, system_clock, roles=[RoleName.EMBEDDING]) as system:
        addresses = Addresses.of(system.config)
        monkeypatch.setenv("ATTUNE_EMBEDDING_ADDRESS", addresses.embedding)
        with Client(addresses, timeout_s=30) as client:
            yield client


def command(*arguments: str) -> dict[str, object] | list[dict[str, object]]:
    result = CliRunner().invoke(app, ["experts", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_expert_is_served_from_the_reload_on(client, model):
    general = client.embed(CATS)
    assert [each.domain for each in client.domains()] == ["general"]
    add_expert(model, "law", ffn_tensors(model, 1))
    answer = client.reload_domains()
    assert (list(answer.added), list(answer.changed), list(answer.removed)) == (["law"], [], [])
    assert answer.domains[1].memory_bytes > 0
    assert np.abs(client.embed(CATS, domain="law") - general).max() > 0.01
    np.testing.assert_array_equal(client.embed(CATS, domain="general"), general)
    add_expert(model, "law", ffn_tensors(model, 2))
    assert command("reload")["changed"] == ["law"]
    write_manifest(model, read_manifest(model, "tiny").without("law"))
    assert command("reload")["removed"] == ["law"]
    assert [each["domain"] for each in command("list")] == ["general"]
    with pytest.raises(ValueError, match="domain 'law' is unknown"):
        client.embed(CATS, domain="law")


def test_an_expert_that_cannot_be_loaded_is_refused_and_the_service_goes_on(client, model):
    entry = add_expert(model, "law", ffn_tensors(model, 1))
    (model / entry.file).write_bytes(b"damaged")
    with pytest.raises(grpc.RpcError, match="has sha256") as refused:
        client.reload_domains()
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert [each.domain for each in client.domains()] == ["general"]
    assert client.embed(CATS).shape == (10, 32)


def test_texts_of_unknown_domain_are_routed(client, model):
    others = [f"old dogs ran fast under green {word} trees near water" for word in "klmnopqrst"]
    for seed, (domain, texts) in enumerate({"cats": CATS, "dogs": others}.items()):
        entry = add_expert(model, domain, ffn_tensors(model, seed))
        vectors = client.embed(texts, domain="general")
        noise = np.random.default_rng(0).normal(0, 0.05, (40, 32)).astype(np.float32)
        near = vectors.repeat(4, 0) + noise
        file, sha256 = write_sample(model, domain, DomainSample.of(near, near))
        sampled = replace(entry, routing_file=file, routing_sha256=sha256)
        write_manifest(model, read_manifest(model, "tiny").with_expert(sampled))
    assert list(client.reload_domains().added) == ["cats", "dogs"]
    for domain, texts in {"cats": CATS, "dogs": others}.items():
        routes = client.route_domains(texts)
        assert {route.domains[0].domain for route in routes} == {domain}
        assert all(abs(sum(each.probability for each in route.domains) - 1) < 1e-6 for route in routes)
        np.testing.assert_allclose(client.embed(texts), client.embed(texts, domain=domain), atol=1e-6)
    assert command("route", CATS[0])["domains"][0]["domain"] == "cats"


def test_a_text_that_cannot_be_routed_is_named(client):
    with pytest.raises(grpc.RpcError, match="empty") as refused:
        client.route_domains(["the cat", " "])
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_documents_of_an_expert_are_searched_by_that_expert(model, tmp_path):
    configure_logs("error")
    others = [f"old dogs ran fast under green {word} trees near water" for word in "klmnopqrst"]
    entry = add_expert(model, "cats", ffn_tensors(model, 1))
    embedder = Embedder.load(str(model), "fp32")
    vectors = np.array([each.vector for each in embedder.embed([EmbedItem(text, "general") for text in CATS]).results])
    near = vectors.repeat(4, 0) + np.random.default_rng(0).normal(0, 0.05, (40, 32)).astype(np.float32)
    file, sha256 = write_sample(model, "cats", DomainSample.of(near, near))
    sampled = replace(entry, routing_file=file, routing_sha256=sha256)
    write_manifest(model, read_manifest(model, "tiny").with_expert(sampled))
    documents = [Document(document_id=f"c{n}", title="", text=text, domain="cats") for n, text in enumerate(CATS)]
    documents += [Document(document_id=f"d{n}", title="", text=text, domain="dogs") for n, text in enumerate(others)]
    config = config_in(tmp_path / "data", model_path=model, precision="fp32")
    with running_system(config, system_clock) as system, Client(Addresses.of(system.config), timeout_s=60) as client:
        answer = client.index(documents)
        assert answer.indexed == 20
        assert "'dogs'" in answer.notices[0]
        found = client.search(CATS[3])
        assert [each.domain for each in found.experts] == ["cats", "general"]
        assert found.experts[0].weight > 0.9
        assert found.hits[0].document.document_id == "c3"
        assert client.index(documents).unchanged == 20
        add_expert(model, "cats", ffn_tensors(model, 2))
        client.reload_domains()
        assert client.index(documents).indexed == 10


def test_queries_are_augmented_by_default_by_request_and_with_an_explanation(client, model):
    plain, passages = client.embed(CATS, query=True), client.embed(CATS)
    versions = {each.id: each.version for each in Embedder.load(str(model), "fp32").domains.domains()}
    save_augmenter(model, probes_for(), AugmenterEntry(Augmentation.PROBES, versions, default=True))
    answer = client.reload_domains()
    assert (len(answer.added), len(answer.changed)) == (0, 0)  # an index stays valid
    assert [(each.default, each.memory_bytes > 0) for each in answer.domains[0].augmenters] == [(True, True)]
    assert np.abs(client.embed(CATS, query=True) - plain).max() > 0.01
    # Texts are divided between cores as they happen to be free, and sums are rounded otherwise in another batch.
    np.testing.assert_allclose(client.embed(CATS, query=True, augmentation="none"), plain, atol=1e-6)
    np.testing.assert_allclose(client.embed(CATS, augmentation="probes"), passages, atol=1e-6)
    told = command("augment", "the cat sat")
    assert told["augmentation"] == "AUGMENTATION_PROBES"
    assert {each["token"] for each in told["explanation"]["influences"]} >= {"the", "cat", "sat"}
    assert "explanation" not in command("augment", "the cat sat", "--augmentation", "none")
    with pytest.raises(ValueError, match="domain 'general' has no augmentation 'tower': use one of none, probes"):
        client.embed(["the cat"], domain="general", query=True, augmentation="tower")
    with pytest.raises(ValueError, match="augmentation 'magic' is unknown: use one of none, statistical"):
        client.embed(["the cat"], query=True, augmentation="magic")
    table = CliRunner().invoke(app, ["experts", "augment", "the cat", "--augmentation", "probes"])
    assert "probes, moved by" in table.stdout
    listed = CliRunner().invoke(app, ["experts", "list"]).stdout
    assert "probes" in listed
    assert "(default)" in listed


def test_searches_are_augmented_as_they_ask(model, tmp_path):
    configure_logs("error")
    versions = {each.id: each.version for each in Embedder.load(str(model), "fp32").domains.domains()}
    save_augmenter(model, probes_for(), AugmenterEntry(Augmentation.PROBES, versions))
    config = config_in(tmp_path / "data", model_path=model, precision="fp32")
    with running_system(config, system_clock) as system, Client(Addresses.of(system.config), timeout_s=60) as client:
        client.index([Document(document_id=f"d{place}", title="", text=text) for place, text in enumerate(CATS)])
        used = {
            asked: client.search("the cat", augmentation=asked).experts[0].augmentation
            for asked in ("", "none", "probes", "tower")
        }
    none, probes = embedding.AUGMENTATION_NONE, embedding.AUGMENTATION_PROBES
    assert used == {"": none, "none": none, "probes": probes, "tower": none}
