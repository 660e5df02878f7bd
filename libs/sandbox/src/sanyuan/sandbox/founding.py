"""The founding order of design §2, a function a step; each continues what it finds.

(1) keys and requests, (2) the broker, which is `embedded`, (3) `found`, (4) the agency's records,
(5) `provision`, (6) services, which wait by themselves. The same functions as `sanyuan join`,
`sanyuan agency admit` and `sanyuan provision`.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from sanyuan.client.agency import open_agency
from sanyuan.client.broker import Broker
from sanyuan.client.joining import join, system_path
from sanyuan.client.progress import Report, silent
from sanyuan.client.provisioning import Provisioned, found, provision
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import VerifierKey
from sanyuan.common.systems import JoinRequest, SystemFile
from sanyuan.sandbox.members import (
    AGENCY_SOURCE,
    Member,
    members,
    participants,
    permissions,
)

_WRITERS: Final = 8
"""Keys are made durable file by file: waiting for the disk is most of it."""


class FoundingError(SanyuanError):
    """What is there cannot be founded or continued."""


def make_keys(var: Path, report: Report = silent) -> list[JoinRequest]:
    """Step 1: every member's keys and request; raises what `join` raises."""
    everyone = members()

    def make(member: Member) -> JoinRequest:
        return join(var, member.source, node=member.node, operated_by=member.operated_by)

    requests = []
    with ThreadPoolExecutor(_WRITERS) as pool:
        for request in pool.map(make, everyone):
            requests.append(request)
            report("Keys", len(requests), len(everyone))
    return requests


def agency_key(requests: Sequence[JoinRequest]) -> VerifierKey:
    """The key that everything is trusted from."""
    agency = next(request for request in requests if request.source == str(AGENCY_SOURCE))
    return VerifierKey.parse(agency.signing_key)


def fingerprint(key: VerifierKey) -> str:
    """What people compare: SHA-256 of the public key, written as OpenSSH writes it."""
    digest = hashlib.sha256(key.public_key).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


async def open_the_door(var: Path, broker: Broker, key: VerifierKey) -> None:
    """Step 3: `participants` and the agency's user, unless that was done before."""
    if not SystemFile.load(system_path(var, AGENCY_SOURCE.name)).connected:
        await found(AGENCY_SOURCE, str(key), broker, var / "systems")


async def admit_everyone(var: Path, requests: Sequence[JoinRequest]) -> Directory:
    """Step 4: the founding record, organisations, systems, permissions, in one session."""
    log_key = VerifierKey.parse(_log_key(requests))
    async with open_agency(system_path(var, AGENCY_SOURCE.name)) as office:
        await office.found(log_key.name, str(log_key))
        await office.register(participants())
        await office.admit(requests)
        await office.permit_all(permissions())
        return await office.directory()


async def provision_everyone(
    var: Path,
    directory: Directory,
    broker: Broker,
    urls: Mapping[str, str],
    report: Report = silent,
) -> Provisioned:
    """Step 5: topics, users, permissions, and everybody's connection."""
    return await provision(directory, broker, var / "systems", urls, report)


def _log_key(requests: Sequence[JoinRequest]) -> str:
    for request in requests:
        if request.log_key is not None:
            return request.log_key
    raise FoundingError("nobody has made the log's key", do="let the audit service join first")
