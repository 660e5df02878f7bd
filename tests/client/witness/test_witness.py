"""tlog-witness, clause by clause, and the law behind it: no two histories are ever cosigned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.client.witness.conftest import LOG, NOW, Bench, Tree
from tests.workers import block_of_ports
from typer.testing import CliRunner

from sanyuan.client.cli.main import app
from sanyuan.client.witness import store
from sanyuan.client.witness.deciding import Conflict, Consistent, Inconsistent, Known, decide
from sanyuan.client.witness.keys import WitnessKeyError, create_witness_key, load_witness_key
from sanyuan.common.database import upsert
from sanyuan.common.notes import Note, SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import CosignerKey, verify_cosignatures
from sanyuan.common.tlog.misbehaviour import Misbehaviour
from sanyuan.common.tlog.witnessing import AddCheckpoint, parse_answer

HONEST = Tree()
UPSERT = "sanyuan.client.witness.store.upsert"
LOGS = {LOG.name: (LOG.verifier,)}


def cosigned(bench: Bench, note: bytes, answer: httpx.Response) -> int:
    """The time of the one cosignature in an answer."""
    (line,) = parse_answer(answer.content)
    whole = Note.parse(note + f"{line}\n".encode())
    return verify_cosignatures(whole, [bench.cosigner.key])[bench.cosigner.key]


def test_a_consistent_checkpoint_is_cosigned_and_served(bench: Bench) -> None:
    assert bench.get("checkpoint").status_code == 404
    for old, new in ((0, 0), (0, 5), (5, 5), (5, 8), (8, 300)):
        (answer,) = bench.add(HONEST.request(old, new))
        assert answer.status_code == 200
        assert cosigned(bench, HONEST.note(new), answer) == NOW
        served = bench.get("checkpoint").content
        assert Checkpoint.open(served, keys=[LOG.verifier]) == HONEST.head(new)
        assert verify_cosignatures(Note.parse(served), [bench.cosigner.key])
    assert bench.get("misbehaviour").status_code == 404


def test_a_wrong_old_size_is_told_the_right_one(bench: Bench) -> None:
    bench.add(HONEST.request(0, 5))
    for old in (0, 3, 7):
        (answer,) = bench.add(HONEST.request(old, 8))
        assert (answer.status_code, answer.text) == (409, "5\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"


def test_an_old_size_above_the_checkpoints_is_malformed(bench: Bench) -> None:
    bench.add(HONEST.request(0, 8))
    (answer,) = bench.add(HONEST.request(8, 5))
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"old 0\n", b"old 0\n\n", b"old 0\n\nno note", b"old 00\n\n" + HONEST.note(5),
     b"old 0\n\n" + HONEST.note(5).replace(b"\n5\n", b"\n05\n"), bytes(2_000_000)],
)  # fmt: skip
def test_what_breaks_the_format_is_malformed(bench: Bench, body: bytes) -> None:
    (answer,) = bench.add(body)
    assert answer.status_code == 400
    assert bench.get("checkpoint").status_code == 404


def test_an_unknown_log_is_not_found_and_a_foreign_signature_forbidden(bench: Bench) -> None:
    other = SigningKey.from_seed("example.com/log", bytes(32))
    (answer,) = bench.add(Tree(origin=other.name, key=other).request(0, 5))
    assert answer.status_code == 404
    for forged in (
        Tree(key=other).request(0, 5),  # another key
        Tree(key=SigningKey.from_seed(LOG.name, bytes(32))).request(0, 5),  # another id
        HONEST.request(0, 5).replace(b"\n5\n", b"\n6\n"),  # a known key's signature fails
    ):
        (answer,) = bench.add(forged)
        assert answer.status_code == 403
    short = HONEST.note(5)[:-30] + b"\n"
    assert bench.add(bytes(AddCheckpoint(0, (), short)))[0].status_code in (400, 403)


def test_signatures_of_unknown_keys_are_ignored_and_not_kept(bench: Bench) -> None:
    stranger = SigningKey.from_seed("stranger", bytes(32))
    note = HONEST.head(5).sign([stranger, LOG, LOG])
    (answer,) = bench.add(bytes(AddCheckpoint(0, (), note)))
    assert answer.status_code == 200
    assert len(Note.parse(bench.get("checkpoint").content).signatures) == 2


def test_extension_lines_are_cosigned_as_they_are(bench: Bench) -> None:
    head = HONEST.head(5)
    extended = Checkpoint(head.origin, head.size, head.root, ("more",)).sign([LOG])
    (answer,) = bench.add(bytes(AddCheckpoint(0, (), extended)))
    assert cosigned(bench, extended, answer) == NOW


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: AddCheckpoint(5, (bytes(32),), HONEST.note(8)),  # a proof that proves nothing
        lambda: AddCheckpoint(5, (), HONEST.note(8)),
        lambda: AddCheckpoint(5, (bytes(32),), HONEST.note(5)),  # a proof where none is needed
        lambda: AddCheckpoint(5, (), Tree(fork=2).note(5)),  # another root of the same size
    ],
)
def test_what_is_not_consistent_is_unprocessable(
    bench: Bench, request_of: Callable[[], AddCheckpoint]
) -> None:
    bench.add(HONEST.request(0, 5))
    before = bench.get("checkpoint").content
    assert bench.add(bytes(request_of()))[0].status_code == 422
    assert bench.get("checkpoint").content == before


def test_the_empty_tree_needs_no_proof_and_has_one_root(bench: Bench) -> None:
    wrong_root = Checkpoint(LOG.name, 0, bytes(32)).sign([LOG])
    assert bench.add(bytes(AddCheckpoint(0, (), wrong_root)))[0].status_code == 422
    proof = AddCheckpoint(0, (bytes(32),), HONEST.note(5))
    assert bench.add(bytes(proof))[0].status_code == 422
    assert bench.add(HONEST.request(0, 0))[0].status_code == 200
    assert bench.add(bytes(proof))[0].status_code == 422


def test_of_two_requests_at_once_one_wins_and_nothing_is_rolled_back(bench: Bench) -> None:
    bench.add(HONEST.request(0, 5))
    answers = bench.add(*(HONEST.request(5, size) for size in range(6, 16)))
    won = [at for at, each in enumerate(answers, 6) if each.status_code == 200]
    assert len(won) == 1
    assert {each.text for each in answers if each.status_code == 409} == {f"{won[0]}\n"}
    assert Checkpoint.open_unverified(bench.get("checkpoint").content).size == won[0]


def test_nothing_is_cosigned_that_the_disk_does_not_know(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add(HONEST.request(0, 5))

    def persisted_not(*_: object) -> None:
        raise OSError("disk full")

    def persisted(*given: object) -> None:
        upsert(*given)  # type: ignore[arg-type]  # as it was called
        raise OSError("died before the commit")

    for broken in (persisted_not, persisted):
        monkeypatch.setattr(UPSERT, broken)
        with pytest.raises(OSError, match="d"):
            bench.add(HONEST.request(5, 8))
        monkeypatch.setattr(UPSERT, upsert)
        bench.database.close()
        bench.start()
        assert Checkpoint.open_unverified(bench.get("checkpoint").content).size == 5
    assert bench.add(HONEST.request(5, 8))[0].status_code == 200


def evidence(bench: Bench) -> Misbehaviour:
    return Misbehaviour.parse(bench.get("misbehaviour").content)


@pytest.mark.parametrize("old", [0, 5])
def test_two_roots_of_one_size_convict_the_log(bench: Bench, old: int) -> None:
    bench.add(HONEST.request(0, 5))
    (answer,) = bench.add(Tree(fork=2).request(old, 5))
    assert answer.status_code == (409 if old == 0 else 422)
    convicted = evidence(bench).verify([LOG.verifier])
    assert {convicted.smaller.root, convicted.larger.root} == {
        HONEST.head(5).root, Tree(fork=2).head(5).root,
    }  # fmt: skip


def test_a_log_that_proves_its_fork_consistent_convicts_itself(bench: Bench) -> None:
    bench.add(HONEST.request(0, 5))
    assert bench.add(Tree(fork=2).request(5, 9))[0].status_code == 422
    convicted = evidence(bench).verify([LOG.verifier])
    assert (convicted.smaller, convicted.larger) == (HONEST.head(5), Tree(fork=2).head(9))
    assert convicted.prefix == Tree(fork=2).head(5).root


def test_a_wrong_proof_of_an_honest_log_convicts_nobody(bench: Bench) -> None:
    bench.add(HONEST.request(0, 5))
    bench.add(bytes(AddCheckpoint(5, (bytes(32), bytes(32)), HONEST.note(9))))
    bench.add(Tree(fork=2).request(0, 9))
    assert bench.get("misbehaviour").status_code == 404


def test_evidence_is_kept_the_first_few_times(bench: Bench) -> None:
    bench.add(HONEST.request(0, 40))
    for fork in range(40):
        bench.add(Tree(fork=fork).request(40, 40))
    with bench.database._engine.connect() as connection:
        assert len(connection.execute(store.EVIDENCE.select()).all()) == store.MAX_EVIDENCE


@given(
    st.lists(
        st.tuples(st.sampled_from([None, 0, 2, 4, 7]), st.integers(0, 9), st.integers(0, 9)),
        max_size=12,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_two_histories_are_ever_cosigned(steps: list[tuple[int | None, int, int]]) -> None:
    known: Known | None = None
    taken: list[tuple[Tree, Checkpoint]] = []
    for fork, old, new in steps:
        tree = Tree(fork=fork)
        decision = decide(tree.request(old, new), LOGS, lambda _, known=known: known)  # type: ignore[misc]  # bound now
        if isinstance(decision.answer, Consistent):
            known = Known(decision.answer.head, decision.answer.note)
            taken.append((tree, known.head))
        else:
            assert old > new or isinstance(decision.answer, Conflict | Inconsistent)
        if decision.evidence is not None:
            decision.evidence.verify([LOG.verifier])
    sizes = [head.size for _, head in taken]
    assert sizes == sorted(sizes)
    if taken:
        final, _ = taken[-1]
        assert all(final.head(head.size) == head for _, head in taken)


def test_a_witness_has_one_key_for_ever(tmp_path: Path) -> None:
    made = create_witness_key(tmp_path / "w", "witness.example/w1")
    assert load_witness_key(tmp_path / "w") == made
    assert (tmp_path / "w" / "witness-key.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(WitnessKeyError):
        create_witness_key(tmp_path / "w", "witness.example/w1")
    with pytest.raises(WitnessKeyError):
        create_witness_key(tmp_path / "v", "two words")
    with pytest.raises(WitnessKeyError):
        load_witness_key(tmp_path / "v")
    (tmp_path / "w" / "witness-key.json").write_text("{}")
    with pytest.raises(WitnessKeyError):
        load_witness_key(tmp_path / "w")


def test_evidence_is_checked_at_a_terminal(bench: Bench, tmp_path: Path) -> None:
    bench.add(HONEST.request(0, 5))
    bench.add(Tree(fork=2).request(5, 9))
    file = tmp_path / "evidence"
    file.write_bytes(bench.get("misbehaviour").content)
    options = ["verify-misbehaviour", str(file), "--log", str(LOG.verifier)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0
    assert "MISBEHAVIOUR PROVEN" in result.output
    file.write_bytes(file.read_bytes().replace(b"\n9\n", b"\n8\n"))
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 20
    assert CliRunner().invoke(app, [*options[:1], "nowhere", *options[2:]]).exit_code == 2


@pytest.mark.kill
def test_a_witness_process_that_is_killed_remembers_what_it_cosigned(tmp_path: Path) -> None:
    folder, port = tmp_path / "w", block_of_ports()
    made = CliRunner().invoke(app, ["witness", "init", str(folder), "--name", "w.example"])
    key = CosignerKey.parse(made.output.strip())
    sizes = [0, 3, 9, 40]
    for old, new in pairwise(sizes):
        command = [sys.executable, "-c", "from sanyuan.client.cli.main import main; main()"]
        options = ["witness", "serve", str(folder), "--log", str(LOG.verifier)]
        process = subprocess.Popen([*command, *options, "--port", str(port)])
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    httpx.get(f"{url}/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            if old:
                forked = httpx.post(f"{url}/add-checkpoint", content=Tree(fork=1).request(old, 50))
                assert forked.status_code == 422
            answer = httpx.post(f"{url}/add-checkpoint", content=HONEST.request(old, new))
            assert answer.status_code == 200
            assert key.name in answer.text
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
