"""Agencies, the platforms registered for them, the key sets of those platforms and the tool's own keys."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, JsonDocument, UtcDateTime
from kernel.ids import new_uuid


class Tenant(Base):
    """One agency: the wall between data."""

    __tablename__ = "tenant"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True, default=new_uuid)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    """Short name for commands: `opdc`."""
    name: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    """Language map."""
    home_page: Mapped[str] = mapped_column(String(255), unique=True)
    """Home of the accounts in statements; never changes, or people would become others."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Registration(Base):
    """One platform as it knows us: issuer and client id. It belongs to one agency."""

    __tablename__ = "registration"
    __table_args__ = (UniqueConstraint("issuer", "client_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID] = mapped_column(Uuid, unique=True, default=new_uuid)
    """Its name in the addresses of our administrators' pages."""
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(255))
    """Exactly as the platform spells it."""
    client_id: Mapped[str] = mapped_column(String(255))
    auth_url: Mapped[str] = mapped_column(Text)
    token_url: Mapped[str] = mapped_column(Text)
    jwks_url: Mapped[str] = mapped_column(Text)
    token_audience: Mapped[str | None] = mapped_column(Text)
    """`aud` of our token requests where it is not the token URL."""
    approved_hosts: Mapped[list[str]] = mapped_column(JsonDocument)
    """host:port that our bearer tokens may go to."""
    frame_origins: Mapped[list[str]] = mapped_column(JsonDocument)
    """Origins that may frame our pages and take people back; the platform's own comes first."""
    product: Mapped[str | None] = mapped_column(String(64))
    """Product family code as the platform says it (`moodle`, `canvas` ...); none where it did not say."""
    scopes: Mapped[list[str] | None] = mapped_column(JsonDocument)
    """Service scopes that were asked for at dynamic registration; none after a manual one."""
    pending_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Registered by itself and not yet approved by an administrator: its launches are refused."""
    learns_deployment_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Until then the first launch brings the deployment id, which its platform did not tell at registration."""
    keeps_names: Mapped[bool] = mapped_column(default=True)
    """Whether we keep the names that the platform sends."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Invite(Base):
    """One address that registers one platform for an agency, once."""

    __tablename__ = "invite"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    registration_id: Mapped[int | None] = mapped_column(ForeignKey("registration.id"))
    """The platform that used it."""
    hosts: Mapped[list[str]] = mapped_column(JsonDocument, default=list)
    """host:port beside the issuer's own that the platform's addresses may lie on."""
    is_open: Mapped[bool] = mapped_column(default=False)
    """Not made by an administrator: what uses it waits for approval."""
    claim: Mapped[str | None] = mapped_column(String(64))
    """Digest of the confirmation that registers, or did: no second one registers beside it."""
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When that one began; a claim that did not come to its end lapses after a minute."""


class Deployment(Base):
    """One placement of the tool within a platform."""

    __tablename__ = "deployment"
    __table_args__ = (UniqueConstraint("registration_id", "deployment_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"))
    deployment_id: Mapped[str] = mapped_column(String(255))
    """The platform's own name for it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class KeySet(Base):
    """The platform's public keys as last fetched, shared by all processes, and when a fetch was last tried."""

    __tablename__ = "key_set"

    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id"), primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    jwks_url: Mapped[str] = mapped_column(Text)
    """Where they came from; another URL makes them worthless."""
    keys: Mapped[list[dict[str, Any]]] = mapped_column(JsonDocument)
    """The members that a check of a signature needs, of the keys that passed our rules."""
    refused: Mapped[dict[str, str]] = mapped_column(JsonDocument)
    """Key id to the reason why that key is not used."""
    fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(64))
    clock_difference_seconds: Mapped[float | None] = mapped_column()
    """The platform's clock minus ours when it last answered; none where it did not tell its time."""


class ToolKey(Base):
    """One key pair of the tool, of the whole installation: every platform reads the same key set."""

    __tablename__ = "tool_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    kid: Mapped[str] = mapped_column(String(64), unique=True)
    """Thumbprint by RFC 7638."""
    public_key: Mapped[dict[str, Any]] = mapped_column(JsonDocument)
    """The JWK as published."""
    private_key: Mapped[str] = mapped_column(Text)
    """PEM, encrypted under the installation's secret."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signs_from: Mapped[datetime] = mapped_column(UtcDateTime)
    """Published before, so that platforms know it when it signs."""
    retires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Published until then."""
