"""Who may call, how often, and how connections are encrypted."""

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr


class SecuritySettings(BaseModel):
    """Who may call, how often, and how connections are encrypted."""

    tokens_file: Path | None = Field(
        None,
        description="JSON object of the bearer tokens that are accepted, with their tenants and scopes; without any "
        'credential configured, everybody is tenant "default".',
    )
    service_token: SecretStr = Field(
        SecretStr(""),
        description="The secret by which roles know each other, the same for all; needed where credentials are and the "
        "roles are separate processes. Of several, with commas, the first is sent.",
    )
    token: SecretStr = Field(SecretStr(""), description="The bearer token of the command line's own calls.")
    quota_calls_per_s: float = Field(
        0, ge=0, description="Calls per second of a tenant that each server answers, 0.001 or more; 0: any number."
    )
    quota_burst: float | None = Field(
        None, ge=1, description="How many calls may come at once after a pause; without it, those of ten seconds."
    )
    quotas_file: Path | None = Field(
        None,
        description="JSON object of tenants with other quotas: calls_per_s and burst of each, or null for any number.",
    )
    tls_cert_file: Path | None = Field(
        None,
        description="The certificate of this process and those that lead to its root, PEM: servers show it, and roles "
        "when they call others. Without it, plain text, on a loopback host only.",
    )
    tls_key_file: Path | None = Field(None, description="Its private key, PEM, without a password.")
    tls_client_ca_file: Path | None = Field(
        None, description="Certificates that sign those of callers, PEM; with it, a caller must have one."
    )
    tls_ca_file: Path | None = Field(
        None, description="Certificates that sign those of the servers that are called, PEM; with it, calls use TLS."
    )
    tls_server_name: str = Field(
        "", description="The name in those servers' certificates, where it is not the one that they are called by."
    )
    allow_plaintext: bool = Field(
        False, description="Plain text beyond this machine: where a mesh or a tunnel encrypts."
    )
    allow_anonymous: bool = Field(
        False, description="Calls without credentials from beyond this machine: where everybody who calls may do all."
    )
    jwks_file: Path | None = Field(
        None, description="The public keys that JSON Web Tokens are signed with, a JSON Web Key Set."
    )
    jwks_url: str = Field("", description="Or where their issuer publishes them, https://...")
    jwks_refresh_s: float = Field(
        300, gt=0, description="How old the keys may be before they are read anew, in seconds."
    )
    jwt_issuer: str = Field("", description="Who issues the tokens, as their claim iss says it.")
    jwt_audience: str = Field("", description="Whom they are for, as their claim aud says it.")
    jwt_algorithms: str = Field("RS256,ES256,EdDSA", description="The algorithms that they may be signed by.")
    jwt_leeway_s: float = Field(30, ge=0, description="How far the issuer's clock may be off, in seconds.")
    jwt_tenant_claim: str = Field("tenant", min_length=1, description="The claim that names the tenant.")
    jwt_scope_claim: str = Field(
        "scope", min_length=1, description="The claim that lists scopes, with spaces between or as a list."
    )
    jwt_scope_prefix: str = Field("", description="What attune's scopes begin with there, such as attune: or empty.")
