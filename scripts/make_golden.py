"""Writes one golden example of each message that has none yet, and its digest to SHA256SUMS.

`python scripts/make_golden.py tests/golden`. Made once, never edited: whoever changes a contract
must still read them. All records together are one domain's streams, so the agency's can be folded,
each chained to the one before and signed; keys follow from the sources and protect nothing.
"""

from __future__ import annotations

import hashlib
import json
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import golden_catalog
import golden_licenses
from golden_examples import (
    SOURCES,
    Example,
    commands,
    decisions,
    participants,
    records_of_the_log,
    sealing,
    seed,
    signing,
)

from sanyuan.common.contracts.message import Decided
from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.envelope import ZERO_HASH, encode, format_sequence, hash_value
from sanyuan.common.ids import format_time
from sanyuan.common.partition import partition_of
from sanyuan.common.sealing import reference
from sanyuan.common.topics import topic_named

CASE: Final = "7d0b5d0a4c3f4b0f9d6f0c7f5a1e2b3c"
BEGAN: Final = datetime(2026, 11, 23, 2, 17, 0, 123456, UTC)


@dataclass
class Book:
    """The records so far: those read from the folder, then those written to it."""

    folder: Path
    heads: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    refs: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        """Take the records of the folder into account."""
        for path in sorted(self.folder.glob("*.v[0-9]*.json")):
            self._remember(json.loads(path.read_text("utf-8"))["value"].encode())

    def _remember(self, value: bytes) -> None:
        envelope = json.loads(value)
        stream, number = (envelope["source"], envelope["topic"]), int(envelope["sequence"])
        if number > self.heads.get(stream, (0, ""))[0]:
            self.heads[stream] = number, hash_value(value)
        self.ids[envelope["type"]] = envelope["id"]
        self.refs[envelope["type"]] = {
            "source": envelope["source"],
            "topic": envelope["topic"],
            "sequence": envelope["sequence"],
            "hash": hash_value(value),
        }

    def write(self, example: Example) -> None:
        """Append one record to its stream and write its file."""
        topic = f"cn/{example.topic}"
        last, head = self.heads.get((example.source, topic), (0, ZERO_HASH))
        sealed = {
            name: sealing(to).public.seal(
                json.dumps(text, ensure_ascii=False).encode(),
                source=example.source,
                topic=topic,
                name=name,
            )
            for name, (text, to) in example.sealed.items()
        }
        passed_on = {name: self._taken(kind, name) for name, kind in example.forwarded.items()}
        value = encode(
            {
                "specversion": "1.0",
                "id": self._new_id(example),
                "source": example.source,
                "type": example.type,
                "time": format_time(BEGAN + timedelta(seconds=len(self.refs))),
                "topic": topic,
                "sequence": format_sequence(last + 1),
                "previous": head,
                "correlationid": CASE,
                "causationid": self.ids.get(example.cause or ""),
                "actor": example.actor,
                "data": self._data(example)
                | {name: reference(ciphertext) for name, ciphertext in sealed.items()}
                | {name: named for name, (_, named) in passed_on.items()},
            }
        )
        self._remember(value)
        headers = sealed | {name: ciphertext for name, (ciphertext, _) in passed_on.items()}
        self._save(example, value, headers)

    def _taken(self, kind: str, name: str) -> tuple[bytes, dict[str, Any]]:
        """An attachment of an example, and how another one that forwards it names it."""
        record = json.loads((self.folder / f"{kind}.json").read_text("utf-8"))
        ciphertext = b64decode(record["headers"][f"sealed-{name}"])
        topic = f"cn/{record['topic']}"
        origin = {"source": record["key"], "topic": topic, "attachment": name}
        return ciphertext, reference(ciphertext) | {"from": origin}

    def _data(self, example: Example) -> dict[str, Any]:
        if example.cause is None or not issubclass(CONTRACTS[example.type], Decided):
            return example.data
        decided = {"decision": len(self.refs), "asof": {"participants": 7}}
        return {"command": self.refs[example.cause], **decided, **example.data}

    def _new_id(self, example: Example) -> str:
        digits = seed(f"id {example.type}").hex()
        stamp = f"{int(BEGAN.timestamp() * 1000):012x}"
        return f"{stamp[:8]}-{stamp[8:]}-7{digits[:3]}-8{digits[3:6]}-{digits[6:18]}"

    def _save(self, example: Example, value: bytes, sealed: dict[str, bytes]) -> None:
        row = topic_named(example.topic)
        headers = {
            "signature": signing(example.source).sign(value + b"\n"),
            "traceparent": f"00-{seed(CASE).hex()[:32]}-{seed(example.type).hex()[:16]}-01",
        } | {f"sealed-{name}": b64encode(raw).decode() for name, raw in sealed.items()}
        record = {
            "topic": example.topic,
            "partition": partition_of(example.source.encode(), row.partitions if row else 1),
            "key": example.source,
            "value": value.decode(),
            "headers": headers,
        }
        path = self.folder / f"{example.type}.json"
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", "utf-8")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with (self.folder / "SHA256SUMS").open("a", encoding="utf-8") as sums:
            sums.write(f"{digest}  {path.name}\n")


def main(folder: Path) -> None:
    """Write what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    book = Book(folder)
    book.read()
    private = {
        source: {
            "signing_key": b64encode(signing(source).seed).decode(),
            "sealing_key": sealing(source).to_base64(),
        }
        for source in SOURCES
    }
    (folder / "keys.json").write_text(json.dumps(private, indent=2) + "\n", "utf-8")
    for part in (
        participants,
        commands,
        decisions,
        lambda: records_of_the_log(book.refs),
        golden_catalog.commands,
        lambda: golden_catalog.decisions(book.ids),
        lambda: golden_catalog.answers(book.refs),
        golden_catalog.facts,
        golden_licenses.commands,
        golden_licenses.decisions,
        golden_licenses.facts,
    ):
        for example in part():
            if example.type not in book.refs:
                book.write(example)
                print("written:", example.type)
    for missing in sorted(CONTRACTS.keys() - book.refs.keys()):
        print("no example yet:", missing)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
