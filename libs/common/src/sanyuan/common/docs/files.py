"""The documents as files: ``asyncapi.json`` and ``schemas/<type>.json``."""

import json
from pathlib import Path

from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.docs.asyncapi import document
from sanyuan.common.docs.schemas import schema_of


def files() -> dict[str, str]:
    """Relative path → content."""
    schemas = {f"schemas/{kind}.json": schema_of(c) for kind, c in CONTRACTS.items()}
    return {
        path: _text(content) for path, content in {"asyncapi.json": document(), **schemas}.items()
    }


def write(folder: Path) -> None:
    """Bring the folder up to date."""
    wanted = files()
    for old in (folder / "schemas").glob("*.json"):
        if f"schemas/{old.name}" not in wanted:
            old.unlink()
    for path, text in wanted.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def _text(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
