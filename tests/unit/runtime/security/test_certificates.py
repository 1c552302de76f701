"""Certificates in files: what fits together, what is refused, and what happens when they are replaced."""

import ssl
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.fakes.authority import Authority

from attune.services.runtime.config import ConfigError
from attune.services.runtime.security.certificates import CertificateFiles, Certificates, RenewedFiles

OURS = Authority("ours")


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return CertificateFiles(*OURS.issue(tmp_path, "attune.example", "127.0.0.1"), OURS.write(tmp_path / "ca.crt"))


def test_what_fits_is_read(files: CertificateFiles) -> None:
    read = Certificates.read(files)
    assert read.names == ["attune.example"]
    assert all(b"-----BEGIN" in (part or b"") for part in (read.chain, read.key, read.trusted))


def test_nothing_is_needed() -> None:
    assert Certificates.read(CertificateFiles()) == Certificates(None, None, None)


def test_an_expired_one_is_read_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Certificates.read(CertificateFiles(*OURS.issue(tmp_path, "old", expired=True)))
    told = "".join(capsys.readouterr())
    assert "expired" in told
    assert "ATTUNE_TLS_CERT_FILE" in told


@pytest.mark.parametrize(
    ("broken", "content", "named"),
    [
        ("tls.crt", b"", "tls.crt must have certificates in PEM .*: see to ATTUNE_TLS_CERT_FILE"),
        ("tls.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "tls.crt must have"),
        ("ca.crt", b"no certificate", "ca.crt must have certificates in PEM .*: see to ATTUNE_TLS_CA_FILE"),
        ("tls.key", b"", "tls.key must have a private key in PEM, .*: see to ATTUNE_TLS_KEY_FILE"),
        ("tls.key", b"\xff\x00", "tls.key must have a private key"),
        ("tls.crt", None, "ATTUNE_TLS_CERT_FILE"),
        ("tls.key", None, "ATTUNE_TLS_KEY_FILE"),
        ("ca.crt", None, "ATTUNE_TLS_CA_FILE"),
    ],
)
def test_a_bad_file_is_named(files: CertificateFiles, tmp_path: Path, broken: str, content: bytes, named: str) -> None:
    path = tmp_path / broken
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigError, match=named):
        Certificates.read(files)


def test_a_key_of_another_certificate_is_refused(files: CertificateFiles, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _, other = OURS.issue(tmp_path / "other", "attune.example")
    with pytest.raises(ConfigError, match="is not the key of"):
        Certificates.read(CertificateFiles(files.certificate, other))


@pytest.mark.parametrize("alone", ["certificate", "key"])
def test_certificate_and_key_go_together(files: CertificateFiles, alone: str) -> None:
    with pytest.raises(ConfigError, match="go together"):
        Certificates.read(CertificateFiles(**{alone: getattr(files, alone)}))


def test_what_is_replaced_is_read_again(files: CertificateFiles, tmp_path: Path) -> None:
    renewed = RenewedFiles(files, lambda given: given.names)
    assert renewed.renew() is None
    OURS.issue(tmp_path, "new.example")
    assert renewed.renew() == ["new.example"]
    assert renewed.renew() is None
    assert renewed.made == ["new.example"]


def of_unknown_kind(path: Path) -> None:
    """Make the key of a certificate one of a kind that nobody knows."""
    known, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0279")
    data = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    assert data.count(known) == 1
    path.write_bytes(ssl.DER_cert_to_PEM_cert(data.replace(known, unknown)).encode())


def test_a_key_of_an_unknown_kind_is_refused_and_changes_nothing(files: CertificateFiles, tmp_path: Path) -> None:
    renewed = RenewedFiles(files, lambda given: given.names)
    of_unknown_kind(tmp_path / "tls.crt")
    with pytest.raises(ConfigError, match=r"tls\.crt has a key of a kind"):
        Certificates.read(files)
    assert renewed.renew() is None
    assert renewed.made == ["attune.example"]


def test_what_does_not_fit_is_told_once_for_each_change(files: CertificateFiles, tmp_path: Path) -> None:
    renewed = RenewedFiles(files, lambda given: given.names)
    with structlog.testing.capture_logs() as logged:
        for content in (b"half", b"another half"):
            (tmp_path / "tls.key").write_bytes(content)
            assert [renewed.renew() for _ in range(3)] == [None] * 3
    assert [each["log_level"] for each in logged] == ["warning"] * 2


def test_half_of_a_replacement_changes_nothing_until_the_rest_is_there(files: CertificateFiles, tmp_path: Path) -> None:
    renewed = RenewedFiles(files, lambda given: given.names)
    (tmp_path / "other").mkdir()
    certificate, key = OURS.issue(tmp_path / "other", "new.example")
    certificate.replace(tmp_path / "tls.crt")
    assert renewed.renew() is None
    (tmp_path / "tls.key").unlink()
    assert renewed.renew() is None
    assert renewed.made == ["attune.example"]
    key.replace(tmp_path / "tls.key")
    assert renewed.renew() == ["new.example"]
