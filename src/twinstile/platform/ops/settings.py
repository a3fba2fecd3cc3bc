"""What an operator may set, from `TWINSTILE_*` variables or a `.env` file.

Every setting has a safe default, except secrets: those have none, and well-known ones are
refused outside the demo profile (the lesson of default passwords in public set-ups).
"""

from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from twinstile.platform.db import embedded_server
from twinstile.platform.http.field_types import Zone
from twinstile.platform.security.hub_modes import HubMode

WELL_KNOWN_SECRETS = frozenset(
    {
        "",
        "admin",
        "changeme",
        "change-me",
        "demo",
        "password",
        "postgres",
        "secret",
        "twinstile",
    }
)


class SettingsError(Exception):
    """The configuration cannot be used; the message tells the operator what to change."""


class Profile(StrEnum):
    """Whether real people are screened here."""

    PRODUCTION = "production"
    DEMO = "demo"


class Settings(BaseSettings):
    """The whole configuration of one installation."""

    model_config = SettingsConfigDict(
        env_prefix="TWINSTILE_", env_file=".env", extra="ignore", frozen=True
    )

    profile: Profile = Field(default=Profile.PRODUCTION, description="production or demo")
    hub_id: str = Field(
        default="hub", pattern=r"^[a-z0-9][a-z0-9-]{1,30}$", description="short name of the hub"
    )
    hub_name: str = Field(default="Hub", max_length=120, description="name shown to people")
    timezone: Zone = Field(
        default="Asia/Shanghai", description="days, retention and case numbers follow this zone"
    )
    language: Literal["zh-CN", "en"] = Field(
        default="zh-CN",
        description="of messages to people whose language nobody told; English stands below it",
    )
    policy_pack: str = Field(default="cn-hub", description="policy put in force on a new hub")
    entry_rules: tuple[str, ...] = Field(
        default=("entry-at", "entry-de", "entry-yellow-fever"),
        max_length=50,
        description="entry rules of countries: names of packs, and paths of files with a / in "
        "them; a JSON array",
    )
    data_dir: Path | None = Field(
        default=None,
        description="keys and embedded database; /var/lib/twinstile for root, else "
        "~/.local/share/twinstile, unless set",
    )
    database_url: SecretStr | None = Field(
        default=None, description="an external PostgreSQL (15 or newer) for the service"
    )
    owner_database_url: SecretStr | None = Field(
        default=None, description="the owner's login, for migrations; database_url unless set"
    )
    master_key: SecretStr | None = Field(
        default=None,
        description="base64 of 32 bytes that wraps all data keys; a file unless set; after a "
        "comma, keys that still open what they wrapped",
    )
    key_command: str | None = Field(
        default=None,
        description="a command that wraps data keys in the place of a master key here, "
        "e.g. before a KMS",
    )
    audit_file: Path | None = Field(
        default=None,
        description="where the ledger's roots are published, best on another disk; beside the "
        "data folder, with -audit.jsonl behind its name, unless set",
    )
    backup_dir: Path | None = Field(
        default=None, description="a backup is made here every night; none unless set"
    )
    backup_keep_days: int = Field(
        default=14, ge=1, le=3650, description="older backups are removed, but never the newest"
    )
    feeds_file: Path | None = Field(
        default=None,
        description="feeds of departments, in TOML; feeds.toml in the data folder unless set, "
        "and none where there is no such file",
    )
    unmatched_share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="an alert when more of those who come in half an hour are on no list; "
        "1: never",
    )
    channels_file: Path | None = Field(
        default=None,
        description="gateways that take messages to travellers, in TOML; channels.toml in the "
        "data folder unless set, and a folder of files where there is none",
    )
    providers_file: Path | None = Field(
        default=None,
        description="online providers of health codes, in TOML; providers.toml in the data "
        "folder unless set, and none where there is no such file",
    )
    trust_file: Path | None = Field(
        default=None,
        description="where trust lists are fetched, in TOML; trust.toml in the data folder "
        "unless set, and nowhere where there is no such file",
    )
    decoder_dir: Path | None = Field(
        default=None,
        description="an add-on that reads codes for the camera of a tablet whose browser "
        "cannot; decoder in the data folder unless set, and none where there is no such folder",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="bearer token for /metrics; without it only this machine may read them",
    )
    tls_file: Path | None = Field(
        default=None,
        description="key and certificates of the server in one PEM file; what `twinstile tls "
        "init` made unless set, and plain HTTP where there is none",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[A-Za-z0-9.\-]+(:[0-9]+)?$|^https?://\[[0-9a-fA-F:]+\](:[0-9]+)?$",
        description="where browsers reach the service if a proxy carries TLS: "
        "https://hub-east.example",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8222, ge=0, le=65535, description="port to listen on")
    workers: int = Field(
        default=1, ge=1, le=16, description="processes that serve; SIGHUP renews two or more"
    )
    worker: bool = Field(
        default=True,
        description="timers, feeds and messages run beside the requests; false where "
        "`twinstile worker` runs them",
    )
    pool_size: int = Field(
        default=12, ge=1, le=80, description="database connections a process"
    )
    statement_timeout_ms: int = Field(default=5000, ge=100, le=60000)
    synthetic_id_prefixes: tuple[str, ...] = Field(
        default=("77",), description="resident ID prefixes that mark an invented person"
    )
    regions_file: Path | None = Field(
        default=None,
        description="CSV with `code`, `since`, `until`: all divisions of GB/T 2260 and their "
        "years; what little is built in unless set",
    )

    @model_validator(mode="after")
    def _one_keeper(self) -> Self:
        if self.master_key is not None and self.key_command is not None:
            raise ValueError("set TWINSTILE_MASTER_KEY or TWINSTILE_KEY_COMMAND, not both")
        return self

    @model_validator(mode="after")
    def _refuse_well_known_secrets(self) -> Self:
        if self.profile is Profile.DEMO:
            return self
        for name in ("database_url", "owner_database_url"):
            url: SecretStr | None = getattr(self, name)
            password = urlsplit(url.get_secret_value()).password if url else None
            if password is not None and password.lower() in WELL_KNOWN_SECRETS:
                raise ValueError(
                    f"TWINSTILE_{name.upper()} has a well-known password: choose another"
                )
        for name in ("master_key", "metrics_token"):
            secret: SecretStr | None = getattr(self, name)
            if secret and secret.get_secret_value().lower() in WELL_KNOWN_SECRETS:
                raise ValueError(
                    f"TWINSTILE_{name.upper()} is a well-known secret: choose another"
                )
        return self

    @model_validator(mode="after")
    def _leave_connections_to_others(self) -> Self:
        # one process more while they are renewed, each with a few connections beside its pool
        wanted = (self.workers + 1) * (self.pool_size + 10)
        if self.database_url is None and wanted > embedded_server.MAX_CONNECTIONS - 20:
            raise ValueError(
                "TWINSTILE_WORKERS and TWINSTILE_POOL_SIZE ask for more connections than the "
                "embedded PostgreSQL has: choose a smaller pool"
            )
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        """The hub's time zone."""
        return ZoneInfo(self.timezone)

    @cached_property
    def data_path(self) -> Path:
        """Where keys and the embedded database live."""
        return (self.data_dir or embedded_server.default_root()).expanduser().absolute()

    @property
    def mode(self) -> HubMode:
        """What a hub is entered as, with these settings."""
        return HubMode.DEMO if self.profile is Profile.DEMO else HubMode.PRODUCTION

    @property
    def tls_path(self) -> Path:
        """Where the hub's own authority and certificates are."""
        return self.data_path / "tls"

    @property
    def tls(self) -> Path | None:
        """The key and certificates to serve with; None: plain HTTP."""
        own = self.tls_path / "server.pem"
        chosen = self.tls_file or (own if own.exists() else None)
        return chosen.expanduser().absolute() if chosen else None

    @property
    def outbox_path(self) -> Path:
        """Where messages to travellers lie until a gateway takes them."""
        return self.data_path / "outbox"

    @property
    def feeds_path(self) -> Path:
        """Where the feeds of departments are told."""
        return (self.feeds_file or self.data_path / "feeds.toml").expanduser().absolute()

    @property
    def channels_path(self) -> Path:
        """Where the channels of messages are told."""
        own = self.data_path / "channels.toml"
        return (self.channels_file or own).expanduser().absolute()

    @property
    def providers_path(self) -> Path:
        """Where the online providers of health codes are told."""
        own = self.data_path / "providers.toml"
        return (self.providers_file or own).expanduser().absolute()

    @property
    def trust_path(self) -> Path:
        """Where the sources of trust lists are told."""
        return (self.trust_file or self.data_path / "trust.toml").expanduser().absolute()

    @property
    def decoder_path(self) -> Path:
        """Where an add-on that reads codes on tablets is."""
        return (self.decoder_dir or self.data_path / "decoder").expanduser().absolute()

    @property
    def audit_path(self) -> Path:
        """Where signed roots of the ledger are published: never inside the data folder."""
        beside = self.data_path.with_name(f"{self.data_path.name}-audit.jsonl")
        return (self.audit_file or beside).expanduser().absolute()

    @property
    def destructions_path(self) -> Path:
        """Where certificates of destruction are published: beside the roots of the ledger."""
        stem = self.audit_path.stem.removesuffix("-audit")
        return self.audit_path.with_name(f"{stem}-destructions.jsonl")


def load(**overrides: object) -> Settings:
    """The settings in force; raises `SettingsError` naming each variable at fault, no value."""
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType] # checked by pydantic
    except ValidationError as error:
        faults = [
            f"TWINSTILE_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
            if fault["loc"]
            else fault["msg"].removeprefix("Value error, ")
            for fault in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("; ".join(faults)) from None
