"""The connection fields of `var/systems/<name>.json`.

Every other field, the private keys above all, is carried over as it is and never looked at.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from sanyuan.common.errors import SanyuanError

MINE: Final = frozenset(
    {
        "bootstrap_servers",
        "security_protocol",
        "sasl_mechanism",
        "username",
        "password",
        "ca_file",
        "agency_key",
        "log_key",
        "urls",
    }
)


class ConnectionFileError(SanyuanError):
    """The file of a system cannot take a connection."""


def load(path: Path) -> dict[str, object] | None:
    """The content, None when there is no such file here; raises ConnectionFileError."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ConnectionFileError(
            "the system file is not a JSON object", where=str(path), do="make it with: sanyuan join"
        )
    return content


def password_of(node: str, files: Iterable[Mapping[str, object]]) -> str | None:
    """The password that a system of the node has been given before."""
    for content in files:
        password = content.get("password")
        if content.get("username") == node and isinstance(password, str) and password:
            return password
    return None


def connect(path: Path, fields: Mapping[str, object]) -> bool:
    """Puts connection fields into a system's file; whether anything changed.

    Durable once this returns. Raises ConnectionFileError, also when the file pins another agency.
    """
    content = load(path)
    if content is None or not fields.keys() <= MINE:
        raise ConnectionFileError("there is no such system file", where=str(path))
    pinned = content.get("agency_key")
    if pinned and pinned != fields.get("agency_key", pinned):
        raise ConnectionFileError(
            "the system pins another agency key than this domain's",
            where=str(path),
            do="compare the fingerprints; a system belongs to one domain",
        )
    merged = {**content, **fields}
    if merged == content:
        return False
    draft = path.with_suffix(".connecting")
    draft.touch(mode=0o600)
    with draft.open("w", encoding="utf-8") as file:
        json.dump(merged, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return True
