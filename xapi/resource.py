"""What stands at one address of the LRS."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar

from flask import Response
from sqlalchemy import Connection

from xapi.auth import Caller
from xapi.errors import MethodRefused
from xapi.request import XapiRequest


class Resource(ABC):
    """One resource; the walk of `blueprint` calls it for the methods that it names."""

    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")
    may_lag: ClassVar[bool] = False
    """Whether a reader may see what a replica has, a moment late: `X-Experience-API-Consistent-Through` tells how far."""
    proves: ClassVar[bool] = False
    """Whether a write proves a remembered caller in its own transaction (`Caller.proof`)."""

    @abstractmethod
    def read(self, db: Connection, asked: XapiRequest, caller: Caller, now: datetime) -> Response:
        """Answers a GET or HEAD; it does nothing but read."""

    def write(self, asked: XapiRequest, caller: Caller, now: datetime) -> Response:  # noqa: ARG002  one that is only read uses nothing
        """Answers a PUT, POST or DELETE, its change committed."""
        raise MethodRefused(method=asked.method, allowed=self.methods)
