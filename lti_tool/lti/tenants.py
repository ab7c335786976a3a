"""Agencies: added by command, named by a short key."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from kernel.errors import Conflict, Invalid, NotFound
from lti_tool.models import Tenant
from lti_tool.models.audit import append_audit

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class TenantUnknown(NotFound):
    """No agency of this key."""

    code = "tenant_unknown"
    message: ClassVar = {"th": "ไม่พบหน่วยงาน {key}", "en": "There is no agency {key}."}
    way_on: ClassVar = {"th": "เพิ่มหน่วยงานด้วยคำสั่ง kaona tenant add", "en": "Add it by: kaona tenant add"}


class TenantExists(Conflict):
    """An agency of this key or home page is there already."""

    code = "tenant_exists"
    message: ClassVar = {"th": "มีหน่วยงาน {key} อยู่แล้ว", "en": "The agency {key} is there already."}


class TenantInvalid(Invalid):
    """The key or home page of an agency has not the form that it needs."""

    code = "tenant_invalid"
    message: ClassVar = {"th": "ข้อมูลหน่วยงานไม่ถูกต้อง: {reason}", "en": "The agency is not valid: {reason}"}


class TenantNameEmpty(Invalid):
    """People see an agency's name on every page: it cannot be empty."""

    code = "tenant_name_empty"
    message: ClassVar = {"th": "ชื่อหน่วยงานต้องไม่ว่าง ทั้งภาษาไทยและภาษาอังกฤษ", "en": "The agency needs a name in Thai and in English."}


def add_tenant(db: Session, *, key: str, name: Mapping[str, str], home_page: str, now: datetime) -> Tenant:
    """A new agency.

    key        lower case letters, digits, hyphens; at most 63
    name       in Thai and in English, neither empty
    home_page  web address that names the accounts of its people in statements, for ever
    Raises     TenantInvalid, TenantNameEmpty, TenantExists
    """
    if not KEY.fullmatch(key):
        raise TenantInvalid(reason="the key takes lower case letters, digits and hyphens")
    if not all(text.strip() for text in name.values()):
        raise TenantNameEmpty
    if not home_page.startswith(("https://", "http://")):
        raise TenantInvalid(reason="the home page is a web address")
    if db.scalar(select(Tenant.id).where((Tenant.key == key) | (Tenant.home_page == home_page))) is not None:
        raise TenantExists(key=key)
    tenant = Tenant(key=key, name=dict(name), home_page=home_page, created_at=now)
    db.add(tenant)
    db.flush()  # the audit line names its id
    append_audit(db, event="tenant.added", actor="command", now=now, tenant_id=tenant.id, details={"key": key})
    return tenant


def find_tenant_id(db: Connection, key: str) -> int | None:
    """The id of the agency with this key, if there is one."""
    return db.scalar(select(Tenant.id).where(Tenant.key == key))


def get_tenant(db: Session, key: str) -> Tenant:
    """One agency by its key. Raises TenantUnknown."""
    tenant = db.scalars(select(Tenant).where(Tenant.key == key)).first()
    if tenant is None:
        raise TenantUnknown(key=key)
    return tenant


def tenant_key(db: Session, tenant_id: int) -> str:
    """The key of one agency by our id of it."""
    return db.get_one(Tenant, tenant_id).key


def list_tenants(db: Session) -> list[Tenant]:
    """Every agency, by key."""
    return list(db.scalars(select(Tenant).order_by(Tenant.key)))
