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
    """Every agency of this installation: the mask that hides small groups is one for all, so that no two views can be subtracted."""
    agency: int | None
    """The one agency that is shown; None shows them all."""
    agency_names: dict[int, LangMap]
    """Names of the agencies that are shown."""

    @property
    def is_central(self) -> bool:
        """Whether the view is the nation's."""
        return self.agency is None


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
    tenants = list(db.scalars(select(Tenant).order_by(Tenant.id)))
    shown = [tenant for tenant in tenants if is_central or tenant.id == principal.tenant_id]
    return ExecutiveScope(
        tenant_ids=tuple(tenant.id for tenant in tenants),
        agency=None if is_central else principal.tenant_id,
        agency_names={tenant.id: tenant.name for tenant in shown},
    )
