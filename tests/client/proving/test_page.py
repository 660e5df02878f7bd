"""The page that verifies in a reader's browser: what it may load, and that it agrees with us.

Its script runs here in Node.js, whose WebCrypto is that of the standard, on the same proofs, whole
and edited, as the Python verifier.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import shutil
import subprocess
from typing import Any

import pytest
from tests.client.proving.conftest import Archive

from sanyuan.client.cli.proofs import page_bytes
from sanyuan.client.proving import RecordProof
from sanyuan.client.proving.bundle import RecordProofError
from sanyuan.common.tlog.cosignature import Cosigner, with_signatures
from sanyuan.common.tlog.proof import ProofBundle

PAGE = page_bytes().decode()
WITNESS = Cosigner("witness.example/w1", b"w" * 32)
OTHER = Cosigner("witness.example/w2", b"o" * 32)
EDITS = 400
HARNESS = """
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
const page = new Function(input.script + "; return { verifyProof, NotProven };")();
(async () => {
  const said = [];
  for (const proof of input.proofs) {
    try {
      const raw = Buffer.from(proof, "base64");
      const { index, size, record, registered, witnesses } =
        await page.verifyProof(raw, input.agency, input.log, input.witnesses);
      said.push([Number(index), Number(size), record.id,
        registered === null ? null : Number(registered),
        witnesses.map(({ name, time }) => [name, Number(time)])]);
    } catch (error) {
      said.push(error instanceof page.NotProven ? null : String(error.stack));
    }
  }
  console.log(JSON.stringify(said));
})();
"""


def part(tag: str) -> str:
    found = re.findall(f"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_page_can_load_nothing_and_run_nothing_else() -> None:
    def digest(tag: str) -> str:
        return base64.b64encode(hashlib.sha256(part(tag).encode()).digest()).decode()

    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', PAGE)
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest('style')}'",
        f"script-src 'sha256-{digest('script')}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert not re.search(r"https?:|\b(src|href)=|fetch\(|innerHTML|eval\(|\bon[a-z]+=\"", PAGE)


def test_both_languages_say_everything() -> None:
    script = part("script")
    chinese, english = re.split(r"\n  en: \{", script.partition("\n  zh: {")[2])
    keys = [re.findall(r"\b([a-zA-Z]+): [\"{\[(]", each) for each in (chinese, english)]
    assert set(keys[0]) <= set(keys[1])
    assert set(re.findall(r'data-text="(\w+)"', PAGE)) <= set(keys[0])


def cosign(proof: RecordProof) -> RecordProof:
    bundle = proof.bundle
    text = bundle.checkpoint.rpartition(b"\n\n")[0] + b"\n"
    lines = [each.cosign(text, 1_800_000_000) for each in (WITNESS, OTHER)]
    checkpoint = with_signatures(bundle.checkpoint, lines)
    raw = ProofBundle(bundle.index, bundle.hashes, checkpoint, bundle.extra)
    return RecordProof.parse(bytes(raw))


def edit(raw: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(raw))
    match dice.randrange(4):
        case 0:
            return raw[:at] + bytes([raw[at] ^ 1 << dice.randrange(8)]) + raw[at + 1 :]
        case 1:
            return raw[:at] + raw[at + 1 + dice.randrange(60) :]
        case 2:
            return raw[:at] + dice.choice([b"\n", b"0", b"=", b" ", b"A"]) + raw[at:]
        case _:
            lines = raw.split(b"\n")
            one, other = (dice.randrange(len(lines)) for _ in range(2))
            lines[one], lines[other] = lines[other], lines[one]
            return b"\n".join(lines)


def ours(raw: bytes, archive: Archive) -> list[Any] | None:
    try:
        shown = RecordProof.parse(raw).verify(*archive.keys, [WITNESS.key])
    except RecordProofError:
        return None
    seen = [[key.name, at] for key, at in shown.witnesses.items()]
    return [shown.index, shown.head.size, shown.leaf.envelope.id, shown.registered, seen]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js runs the page's script")
def test_the_page_agrees_with_the_command_on_whole_and_edited_proofs(archive: Archive) -> None:
    whole = [bytes(cosign(archive.prove(at))) for at in (0, 40, 256, archive.rotated)]
    dice = random.Random(7)  # noqa: S311  the same edits in every run
    proofs = whole + [edit(dice.choice(whole), dice) for _ in range(EDITS)]
    agency, log = map(str, archive.keys)
    given = {
        "script": part("script"),
        "agency": agency,
        "log": log,
        "witnesses": [str(WITNESS.key)],
        "proofs": [base64.b64encode(each).decode() for each in proofs],
    }
    node = shutil.which("node") or ""
    answer = subprocess.run(
        [node, "--no-warnings", "-e", HARNESS],
        input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    said = json.loads(answer.stdout)
    assert said[0][4] == [["witness.example/w1", 1_800_000_000]]
    for raw, theirs in zip(proofs, said, strict=True):
        assert theirs == ours(raw, archive)
    assert sum(each is None for each in said) > EDITS // 2
