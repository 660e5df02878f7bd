"""A proof shows one record to whoever has two public keys, and nothing else to anybody."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.proving.conftest import Archive
from tests.client.verify.conftest import AGENCY, AUDIT, FOOD, LogMaker
from typer.testing import CliRunner

from sanyuan.client.cli.main import app
from sanyuan.client.proving import RecordProof, parse_wanted
from sanyuan.client.proving.bundle import RecordProofError
from sanyuan.client.proving.finding import NoSuchRecordError
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import SigningKey, encode_base64
from sanyuan.common.tlog.authentic import ForgedLogError
from sanyuan.common.tlog.cosignature import Cosigner, with_signatures
from sanyuan.common.tlog.proof import ProofBundle

WITNESS = Cosigner("witness.example/w1", b"w" * 32)


def test_a_record_is_found_by_index_id_or_place(archive: Archive) -> None:
    envelope = parse_leaf(archive.log.entries[40]).envelope
    for wanted in ("40", envelope.id, f"{FOOD}/identity-commands/{envelope.number}"):
        shown = archive.prove(wanted).verify(*archive.keys)
        assert (shown.index, shown.leaf.envelope) == (40, envelope)
        assert shown.registered == 5
        assert shown.head.size == len(archive.log.entries)


@pytest.mark.parametrize("index", [0, 1, 5, 255, 256])
def test_every_kind_of_entry_can_be_proven(archive: Archive, index: int) -> None:
    shown = archive.prove(index).verify(*archive.keys)
    assert shown.leaf == parse_leaf(archive.log.entries[index])
    assert (shown.registered is None) == (shown.leaf.envelope.source == AGENCY)


def test_a_key_that_was_added_later_is_proven_by_its_own_registration(archive: Archive) -> None:
    shown = archive.prove(archive.rotated).verify(*archive.keys)
    assert shown.registered == archive.rotated - 1
    own = archive.prove(len(archive.log.entries) - 1).verify(*archive.keys)
    assert own.leaf.envelope.source == AUDIT


@pytest.mark.parametrize(
    "wanted",
    ["99999", "00000000-0000-0000-ffff-000000000000", f"{FOOD}/identity-commands/9999"],
)
def test_what_the_log_does_not_have_is_not_proven(archive: Archive, wanted: str) -> None:
    with pytest.raises(NoSuchRecordError):
        archive.prove(wanted)


@pytest.mark.parametrize("text", ["", "-1", "seven", "٧", "//cn/nowhere/3", "1" * 19])
def test_what_names_no_record_is_refused(text: str) -> None:
    with pytest.raises(NoSuchRecordError):
        parse_wanted(text)


def test_a_log_that_was_changed_gives_no_proof(tmp_path: Path) -> None:
    log = LogMaker(tmp_path / "log", tmp_path / "state")
    log.found()
    at = log.command()
    log.publish()
    log.write(f"tile/entries/000.p/{at + 1}", b"\x00\x01a" * (at + 1))
    with pytest.raises(ForgedLogError):
        Archive(log, 0).prove(at)


def test_other_keys_prove_nothing(archive: Archive) -> None:
    proof = archive.prove(40)
    agency, log = archive.keys
    for keys in (
        (SigningKey.generate(agency.name).verifier, log),
        (agency, SigningKey.generate(log.name).verifier),
        (agency, SigningKey.generate("cn/log/2027").verifier),
    ):
        with pytest.raises(RecordProofError):
            proof.verify(*keys)


def changed(proof: RecordProof, **fields: Any) -> RecordProof:  # noqa: ANN401
    extra = json.loads(proof.bundle.extra or b"") | fields
    bundle = proof.bundle
    raw = ProofBundle(bundle.index, bundle.hashes, bundle.checkpoint, json.dumps(extra).encode())
    return RecordProof.parse(bytes(raw))


def test_without_its_registration_a_signature_is_nobodys(archive: Archive) -> None:
    with pytest.raises(RecordProofError, match="registered the key"):
        changed(archive.prove(40), keys=[]).verify(*archive.keys)


def test_a_registration_is_an_earlier_entry_of_the_log_by_the_agency(archive: Archive) -> None:
    proof, later = archive.prove(40), archive.prove(archive.rotated)
    registration = json.loads(proof.bundle.extra or b"")["keys"][0]
    with pytest.raises(RecordProofError, match="after its registration"):
        changed(proof, keys=json.loads(later.bundle.extra or b"")["keys"]).verify(*archive.keys)
    with pytest.raises(RecordProofError, match="path leads"):
        changed(proof, keys=[registration | {"index": 4}]).verify(*archive.keys)
    for index, said in ((39, "not signed by the agency"), (0, "registers no key")):
        other = archive.prove(index)
        hashes = [encode_base64(each) for each in other.bundle.hashes]
        shown = {"index": index, "entry": other.extra.entry, "hashes": hashes}
        with pytest.raises(RecordProofError, match=said):
            changed(proof, keys=[registration, shown]).verify(*archive.keys)


@pytest.mark.parametrize("extra", [None, b"", b"{}", b"[]", b'{"entry":"a"}', b"\xff", b"9" * 99])
def test_a_proof_of_something_else_is_no_proof_of_a_record(
    archive: Archive, extra: bytes | None
) -> None:
    bundle = archive.prove(40).bundle
    raw = bytes(ProofBundle(bundle.index, bundle.hashes, bundle.checkpoint, extra))
    with pytest.raises(RecordProofError, match="carries no record"):
        RecordProof.parse(raw)


@given(data=st.data())
def test_no_edit_of_a_proof_proves_another_record(archive: Archive, data: st.DataObject) -> None:
    proof = archive.prove(40)
    raw = bytes(proof)
    start = data.draw(st.integers(0, len(raw) - 1))
    end = data.draw(st.integers(start, min(len(raw), start + 30)))
    edited = raw[:start] + data.draw(st.binary(max_size=5)) + raw[end:]
    try:
        shown = RecordProof.parse(edited).verify(*archive.keys)
    except RecordProofError:
        return
    assert (shown.leaf, shown.index) == (parse_leaf(archive.log.entries[40]), 40)


def test_a_proof_has_the_cosignatures_of_the_checkpoint_that_covers_it(tmp_path: Path) -> None:
    log = LogMaker(tmp_path / "log", tmp_path / "state")
    log.found()
    covered = log.command()
    log.publish()
    note = (log.folder / "checkpoint").read_bytes()
    text = note.rpartition(b"\n\n")[0] + b"\n"
    log.write("checkpoint.cosigned", with_signatures(note, [WITNESS.cosign(text, 1_800_000_000)]))
    fresh = log.command()
    log.publish()
    archive = Archive(log, 0)
    for index, size, witnesses in ((covered, covered + 1, 1), (fresh, fresh + 1, 0)):
        shown = archive.prove(index).verify(*archive.keys, [WITNESS.key])
        assert (shown.head.size, len(shown.witnesses)) == (size, witnesses)


def run(archive: Archive, *arguments: str) -> tuple[int, str]:
    agency, log = map(str, archive.keys)
    command = [*arguments, "--agency-key", agency, "--log-key", log]
    result = CliRunner().invoke(app, command)
    return result.exit_code, result.output


def test_the_commands_write_and_check_a_proof(archive: Archive, tmp_path: Path) -> None:
    file = tmp_path / "a.tlog-proof"
    folder = str(archive.log.folder)
    assert run(archive, "proof", "40", folder, "--out", str(file))[0] == 0
    code, said = run(archive, "verify-proof", str(file))
    assert code == 0
    assert "已证明 proven" in said
    assert "no witness was asked for" in said
    code, said = run(archive, "verify-proof", str(file), "--json")
    assert json.loads(said)["registered"] == 5
    file.write_bytes(file.read_bytes().replace(b"index 40", b"index 41"))
    code, said = run(archive, "verify-proof", str(file))
    assert code == 20
    assert "NOT PROVEN" in said
    assert run(archive, "verify-proof", str(tmp_path / "none"))[0] == 2
    assert run(archive, "proof", "nothing", folder)[0] == 2


def test_a_policy_says_which_witnesses_are_enough(archive: Archive, tmp_path: Path) -> None:
    bundle = archive.prove(40).bundle
    text = bundle.checkpoint.rpartition(b"\n\n")[0] + b"\n"
    cosigned = with_signatures(bundle.checkpoint, [WITNESS.cosign(text, 1_800_000_000)])
    file, policy = tmp_path / "a.tlog-proof", tmp_path / "policy"
    policy.write_text(f"witness w {WITNESS.key}\nquorum w\n")
    options = ("verify-proof", str(file), "--policy", str(policy))
    file.write_bytes(bytes(bundle))
    assert run(archive, *options)[0] == 20
    file.write_bytes(bytes(ProofBundle(40, bundle.hashes, cosigned, bundle.extra)))
    code, said = run(archive, *options)
    assert code == 0
    assert re.search(r"witness.example/w1\s+2027-01-15T08:00:00", said)
    assert "no witness" not in said
    policy.write_text("quorum w\n")
    assert run(archive, *options)[0] == 2
