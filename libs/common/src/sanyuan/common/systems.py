"""``var/systems/<name>.json``: all that a system needs to connect (design §10).

Made by the system itself with its keys, completed by provisioning with the connection. Mode 0600.
"""

import os
from base64 import b64decode, b64encode
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import SigningKey, VerifierKey
from sanyuan.common.sealing import SUITE_NAME, SealingKey
from sanyuan.common.sources import Source, inbox_of, key_name, parse_source


class SystemFileError(SanyuanError):
    """The file of a system is missing, broken, or not yet connected."""


class SystemFile(BaseModel):
    """The file's content; the connection's fields are empty until the system is provisioned."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    inbox: str | None
    group: str
    bootstrap_servers: str = ""
    security_protocol: str = ""
    sasl_mechanism: str = ""
    username: str = ""
    password: str = Field(default="", repr=False)
    ca_file: str | None = None
    signing_key: str = Field(repr=False)
    sealing_key: str = Field(repr=False)
    agency_key: str = ""
    log_key: str = ""
    urls: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def create(cls, source: str) -> Self:
        """A new system with fresh keys, not connected yet; raises SourceError."""
        parsed = parse_source(source)
        return cls(
            source=source,
            inbox=None if parsed.role == "service" else inbox_of(parsed.name),
            group=f"{parsed.name}.",
            signing_key=b64encode(SigningKey.generate(key_name(source)).seed).decode(),
            sealing_key=SealingKey.generate().to_base64(),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file; raises SystemFileError."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise SystemFileError(
                "there is no such system file", where=str(path), do="make it with: sanyuan join"
            ) from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "JSON"
            raise SystemFileError(
                f"the system file is broken: {field}: {first['msg']}", where=str(path)
            ) from None

    def save(self, path: Path) -> None:
        """Write atomically, readable by its owner only; durable once this returns."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)  # what a crash left keeps its mode and its readers
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)

    def next_life(self, source: str) -> Self:
        """The same system as ``source``: a fresh signing key, all else as it is."""
        key = SigningKey.generate(key_name(source))
        # Not `model_copy`: it would keep what was computed from the old key.
        changed = {"source": source, "signing_key": b64encode(key.seed).decode()}
        return type(self).model_validate(self.model_dump() | changed)

    @property
    def connected(self) -> bool:
        """Whether provisioning has added the connection."""
        return bool(self.bootstrap_servers and self.agency_key)

    @cached_property
    def parsed(self) -> Source:
        """The parts of the source."""
        return parse_source(self.source)

    @property
    def name(self) -> str:
        """The system's name in its domain."""
        return self.parsed.name

    @property
    def domain(self) -> str:
        """The domain's name, the prefix of every signed topic."""
        return self.parsed.domain

    @cached_property
    def signing(self) -> SigningKey:
        """The key under which this system's records are signed."""
        try:
            return SigningKey.from_seed(
                key_name(self.source), b64decode(self.signing_key, validate=True)
            )
        except (ValueError, SanyuanError):
            raise SystemFileError(
                "signing_key is not 32 bytes in base64", where=self.name
            ) from None

    @cached_property
    def sealing(self) -> SealingKey:
        """The key that opens what was sealed to this system."""
        return SealingKey.from_base64(self.sealing_key)

    @cached_property
    def agency(self) -> VerifierKey:
        """The pinned key: the trust root."""
        return VerifierKey.parse(self.agency_key)


def _sync_folder(folder: Path) -> None:
    """Make a renaming durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class JoinRequest(BaseModel):
    """``var/requests/<name>.json``: the public half that the agency admits (design §2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    role: str
    signing_key: str
    sealing_key: str
    suite: str = SUITE_NAME
    node: str | None = None
    operated_by: str | None = None
    log_key: str | None = None

    @classmethod
    def of(
        cls,
        system: SystemFile,
        *,
        node: str | None = None,
        operated_by: str | None = None,
        log_key: str | None = None,
    ) -> Self:
        """The request of a system that has just made its keys."""
        return cls(
            source=system.source,
            role=system.parsed.role,
            signing_key=str(system.signing.verifier),
            sealing_key=system.sealing.public.to_base64(),
            node=node,
            operated_by=operated_by,
            log_key=log_key,
        )
