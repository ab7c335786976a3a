"""Settings: one frozen object, read once from the environment, all faults told together, each with its cure.

Names are the fields below in capitals behind the prefix `KAONA_`. `docs/settings.md` is made from this class.
"""

import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kernel.errors import KaonaError

PREFIX = "KAONA_"
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
MIN_SECRET_BYTES = 32
MAX_PORT = 65535
HOSTNAME = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")
PORT = re.compile(r"[0-9]{1,5}")


class SettingsInvalid(KaonaError):
    """One or more settings stop the start; the sentence names each with its cure."""

    code = "settings_invalid"
    message: ClassVar = {"th": "การตั้งค่าไม่ถูกต้อง:\n{faults}", "en": "The settings are not valid:\n{faults}"}


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """Everything that an installation may set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(
        default=Path("var"),
        description="Folder for the SQLite file, the secret key and what is made once at start; `./kaona` takes the one beside itself.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy address of the database; empty means a SQLite file in `DATA_DIR`. PostgreSQL: `postgresql+psycopg://user@host/name`.",
    )
    replica_url: str = Field(
        default="",
        description="Address of a streaming replica of the database (PostgreSQL): the record store reads statements there, and from "
        "`DATABASE_URL` while it is away.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        description="Address under which browsers and platforms reach the tool, without a slash at the end. HTTPS, or HTTP on loopback.",
    )
    secret_key_file: Path | None = Field(
        default=None,
        description="File with at least 32 random bytes; empty means `secret.key` in `DATA_DIR`, made at the first start with mode 600.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="The least severe line that is written.")
    web_workers: int = Field(default=2, ge=1, le=64, description="Web processes that `serve` starts.")
    web_threads: int = Field(default=8, ge=1, le=64, description="Threads in each web process.")
    pool_size: int = Field(default=10, ge=1, le=100, description="Database connections that each process keeps (PostgreSQL).")
    worker_poll_seconds: float = Field(
        default=0.5, ge=0.05, le=60, description="Pause of an idle worker between two looks into the outbox."
    )
    worker_threads: int = Field(
        default=16, ge=1, le=64, description="Calls to other systems that one worker has under way at the same time."
    )
    platform_calls_per_second: float = Field(
        default=5,
        ge=0.1,
        le=1000,
        description="Scores and other queued calls that one platform gets in a second, from all workers together.",
    )
    allowed_networks: CommaList = Field(
        default=(),
        description="Networks on private addresses that the tool may call, comma separated (`10.1.0.0/16`); loopback counts as private.",
    )
    allowed_ports: CommaList = Field(
        default=("443", "8443"), description="Ports that the tool may call on other machines, comma separated."
    )
    trusted_proxies: int = Field(
        default=0, ge=0, le=5, description="Reverse proxies in front that set X-Forwarded-For and X-Forwarded-Proto."
    )
    open_registration: bool = Field(
        default=False,
        description="`true` lets an LMS register without an invite by `/lti/register?agency=CODE`; it then waits for an approval.",
    )
    privacy_contact: str = Field(
        default="",
        max_length=200,
        description="Who answers questions on personal data, shown on the page of what is kept: a name with an address or telephone.",
    )
    redis_url: str = Field(
        default="",
        description="Redis in which all processes count requests together (`redis://host:6379/0`), by the extra `redis`; "
        "empty: each counts for itself.",
    )
    requests_per_minute: int = Field(
        default=600,
        ge=0,
        le=1_000_000,
        description="Requests to the pages of one launch in a minute, in each web process; 0 for no bound.",
    )
    lrs_requests_per_minute: int = Field(
        default=60_000,
        ge=0,
        le=10_000_000,
        description="Requests of one credential of the record store in a minute, where it has no bound of its own; 0 for no bound.",
    )
    lrs_max_waiting: int = Field(
        default=4,
        ge=0,
        le=63,
        description="Consumers of feeds that wait or are sent a stream at once in each web process. Each holds one of `KAONA_WEB_THREADS`; "
        "one thread is always left to the others.",
    )
    lrs_identity_providers: tuple[Any, ...] = Field(
        default=(),
        description="Issuers whose tokens the record store takes, as a JSON list; its members are told in docs/record-store.md.",
    )
    metrics_public: bool = Field(
        default=False, description="`true` lets other machines read `/metrics`; else only a direct request from this machine is answered."
    )

    @field_validator("public_url")
    @classmethod
    def _public_url_is_an_origin(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise ValueError("write it as https://host or https://host:port, with a port from 1 to 65535") from None
        is_address = (
            not re.search(r"\s", value) and parts.scheme in {"http", "https"} and HOSTNAME.fullmatch(parts.hostname or "") and port != 0
        )
        if not is_address or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("write it as https://host or https://host:port")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            raise ValueError("plain HTTP is accepted on loopback only; put a TLS proxy in front and write https://")
        if parts.path not in {"", "/"}:
            raise ValueError("the tool is served at the root of a host; write https://host without a path")
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname  # urlsplit gives it in lower case
        is_usual = port in {None, {"https": 443, "http": 80}[parts.scheme]}
        return f"{parts.scheme}://{host}" if is_usual else f"{parts.scheme}://{host}:{port}"

    @field_validator("database_url")
    @classmethod
    def _database_is_known(cls, value: str) -> str:
        if not value:
            return value
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):
            raise ValueError("write it as sqlite:///FILE or postgresql+psycopg://user@host/name") from None
        if url.drivername in {"postgresql", "postgres"}:
            return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        if url.drivername not in {"sqlite", "postgresql+psycopg"}:
            raise ValueError("use sqlite:///FILE or postgresql+psycopg://user@host/name; no other database is supported")
        name = url.database or ""
        if url.drivername == "sqlite" and (not name or ":memory:" in name or url.query.get("mode") == "memory"):
            raise ValueError("a database in memory cannot be used, each process would have its own; write sqlite:///FILE")
        return value

    @field_validator("replica_url")
    @classmethod
    def _replica_is_postgresql(cls, value: str) -> str:
        if value and not value.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
            raise ValueError("write it as postgresql+psycopg://user@host/name; only PostgreSQL has replicas")
        return cls._database_is_known(value)

    @field_validator("allowed_networks")
    @classmethod
    def _networks_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is not a network; write it like 10.1.0.0/16") from None
        return value

    @field_validator("allowed_ports")
    @classmethod
    def _ports_are_ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(PORT.fullmatch(port) and 0 < int(port) <= MAX_PORT for port in value):
            raise ValueError("write port numbers from 1 to 65535 in the digits 0 to 9, comma separated")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_can_be_used(cls, value: str) -> str:
        if value and not re.match(r"(?:redis|rediss|redis\+unix|redis\+sentinel|redis\+cluster)://", value):
            raise ValueError("write it as redis://host:port/number, rediss://, redis+sentinel:// or redis+cluster://")
        if value and not all(find_spec(name) for name in ("limits", "redis")):
            raise ValueError("its client is not installed; install it by: pip install 'kaona[redis]'")
        return value

    @field_validator("lrs_identity_providers", mode="before")
    @classmethod
    def _providers_are_whole(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        from xapi.api import IdentityProvider  # noqa: PLC0415  most installations have none, and commands need not load the record store

        try:
            return TypeAdapter(tuple[IdentityProvider, ...]).validate_json(value)
        except ValidationError as error:
            fault = error.errors()[0]
            place = "/".join(map(str, fault["loc"])) or "the whole"
            raise ValueError(f"at {place}: {str(fault['msg']).removeprefix('Value error, ')}; see docs/record-store.md") from None

    @field_validator("secret_key_file")
    @classmethod
    def _secret_is_strong(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        cure = f"make it by: head -c 32 /dev/urandom > {path}"
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file in it, and {cure}/secret.key")
        if not path.is_file() or not os.access(path, os.R_OK):
            raise ValueError(f"{path} cannot be read; {cure}")
        size = path.stat().st_size
        if size < MIN_SECRET_BYTES:
            raise ValueError(f"{path} holds {size} bytes, at least {MIN_SECRET_BYTES} are needed; {cure}")
        return path

    @property
    def dev_mode(self) -> bool:
        """True on loopback HTTP: cookies go without Secure, and platforms on loopback may be called."""
        return self.public_url.partition(":")[0].lower() == "http"

    @property
    def resolved_database_url(self) -> str:
        """The address in use: the one set, else the SQLite file in the data folder."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'kaona.sqlite').absolute()}"

    @property
    def secret_key(self) -> bytes:
        """The installation's secret, 32 bytes or more; made on first use with mode 600 when no file is named."""
        path = self.secret_key_file or self.data_dir / "secret.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                return path.read_bytes()
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(MIN_SECRET_BYTES))
        return path.read_bytes()


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    environment  names and values; the process's own by default. Unknown names with our prefix are faults: they are typing slips.
    Raises       SettingsInvalid, all faults told together
    """
    source = os.environ if environment is None else environment
    values = {name.removeprefix(PREFIX).lower(): value for name, value in source.items() if name.startswith(PREFIX)}
    try:
        return Settings.model_validate({name: value for name, value in values.items() if value != ""})
    except ValidationError as error:
        raise SettingsInvalid(faults="\n".join(_fault(fault) for fault in error.errors())) from None


def _fault(fault: Any) -> str:
    name = str(fault["loc"][0])
    return f"  {PREFIX}{name.upper()}: {_cure(name, fault)}"


def _cure(name: str, fault: Any) -> str:
    """What to write, in our words; those of a validator above are ours already."""
    if fault["type"] == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    field = Settings.model_fields.get(name)
    if field is None:
        return "there is no such setting; see docs/settings.md for the names"
    if field.annotation in {int, float}:
        bounds = {bound: getattr(rule, bound) for rule in field.metadata for bound in ("ge", "le") if hasattr(rule, bound)}
        kind = "whole number" if field.annotation is int else "number"
        return f"write a {kind} from {bounds['ge']} to {bounds['le']}"
    if field.annotation is bool:
        return "write true or false"
    return f"write {str(fault.get('ctx', {}).get('expected', 'another value')).replace(chr(39), '')}"
