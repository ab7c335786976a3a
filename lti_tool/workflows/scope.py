"""Which agencies an executive may see."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.langmap import LangMap
from lti_tool.models import Grant, Tenant, User
from lti_tool.web.principal import Principal


@dataclass(frozen=True, slots=True)
class ExecutiveScope:
    """The agencies within an executive's view."""

    tenant_ids: tuple[int, ...]
    agency_names: dict[int, LangMap]
    is_central: bool
    """Whether the view is the nation's: every agency of this installation."""


def executive_scope(db: Session, principal: Principal) -> ExecutiveScope:
    """All agencies for a central executive, else the person's own."""
    is_central = (
        db.scalar(
            select(Grant.id)
            .join(User, (User.registration_id == Grant.registration_id) & (User.sub == Grant.sub))
            .where(User.id == principal.user_id, Grant.role == "central_executive")
        )
        is not None
    )
    query = select(Tenant).order_by(Tenant.id)
    tenants = list(db.scalars(query if is_central else query.where(Tenant.id == principal.tenant_id)))
    return ExecutiveScope(tuple(tenant.id for tenant in tenants), {tenant.id: tenant.name for tenant in tenants}, is_central)
