"""Two people who were shown two logs find out, and what they hold convicts the log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.client.verify.conftest import AGENCY, ORIGIN, LogMaker
from typer.testing import CliRunner

from sanyuan.client.cli.main import app
from sanyuan.client.verify import Grade, Report, verify_log
from sanyuan.client.verify.witnessed import Views
from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import Cosigner, with_signatures
from sanyuan.common.tlog.misbehaviour import Misbehaviour
from sanyuan.common.tlog.policy import Policy
from sanyuan.common.tlog.witnessing import origin_hash

WITNESSES = [Cosigner(f"w{at}.example", bytes([at]) * 32) for at in (1, 2, 3)]
NOW = 1_800_000_000


def policy(*urls: str, quorum: str = "group q 2 w1 w2 w3\nquorum q") -> Policy:
    lines = [
        f"witness w{at + 1} {each.key} {urls[at] if at < len(urls) else ''}"
        for at, each in enumerate(WITNESSES)
    ]
    return Policy.parse("\n".join([*lines, quorum]).encode())


def cosigned(note: bytes, *witnesses: Cosigner, at: int = NOW) -> bytes:
    text = note.rpartition(b"\n\n")[0] + b"\n"
    return with_signatures(note, [each.cosign(text, at) for each in witnesses])


def note_of(log: LogMaker) -> bytes:
    return (log.folder / "checkpoint").read_bytes()


def verify(log: LogMaker, views: Views | None = None) -> Report:
    keys = log.key(AGENCY).verifier, log.log_key.verifier
    views = views or Views(keys[1], policy())
    return verify_log(str(log.folder), *keys, state_dir=log.state, jobs=1, views=views)


def views_of(log: LogMaker, trusted: Policy | None = None) -> Views:
    return Views(log.log_key.verifier, trusted or policy())


def forked(tmp_path: Path, count: int) -> LogMaker:
    """The same log up to its founding, then `count` other records."""
    other = LogMaker(tmp_path / "other", tmp_path / "state-of-other")
    other.found()
    for _ in range(count):
        other.command(time="2026-11-24T00:00:00.000000Z")
    other.seal()
    other.publish()
    return other


@pytest.fixture
def published(log: LogMaker) -> LogMaker:
    """A sound log of 12 entries."""
    for _ in range(5):
        log.command()
    log.seal()
    log.publish()
    return log


def test_witnesses_that_cosigned_are_shown_with_their_size_and_time(published: LogMaker) -> None:
    raw = cosigned(note_of(published), *WITNESSES[:2])
    published.write("checkpoint.cosigned", raw)
    size = len(published.entries)
    published.command()
    published.seal()
    published.publish()
    report = verify(published)
    assert report.exit_code == 0
    assert report.witnessed_size == size
    assert {(each.name, each.size, each.time) for each in report.witnesses} == {
        ("w1.example", size, NOW), ("w2.example", size, NOW),
    }  # fmt: skip
    assert f"other entries from {size} on" in report.unchecked[-1]
    published.write("checkpoint", cosigned(note_of(published), *WITNESSES))
    assert verify(published).witnessed_size == len(published.entries)


def test_cosignatures_of_one_tree_count_together_wherever_they_were_seen(
    published: LogMaker,
) -> None:
    published.write("checkpoint.cosigned", cosigned(note_of(published), WITNESSES[0]))
    views = views_of(published)
    views.add("a friend", cosigned(note_of(published), WITNESSES[2]))
    assert verify(published, views).witnessed_size == len(published.entries)


def test_without_the_policys_quorum_nothing_was_checked(published: LogMaker) -> None:
    published.write("checkpoint.cosigned", cosigned(note_of(published), WITNESSES[0]))
    report = verify(published)
    assert report.exit_code == 30
    assert "the policy's quorum (q)" in report.having(Grade.UNREADABLE)[0].what
    assert verify(published, views_of(published, policy(quorum="quorum none"))).exit_code == 0
    assert verify(published, views_of(published, Policy())).exit_code == 0


@pytest.mark.parametrize("path", ["checkpoint", "checkpoint.cosigned"])
def test_a_failing_cosignature_of_a_known_witness_is_forged(published: LogMaker, path: str) -> None:
    raw = note_of(published)
    published.write(path, raw + f"{WITNESSES[0].cosign(b'else', NOW)}\n".encode())
    report = verify(published)
    assert report.exit_code == 20
    assert {each.path for each in report.having(Grade.FORGED)} == {path}


@pytest.mark.parametrize("count", [1, 4, 5])
def test_a_fork_that_another_was_shown_convicts_the_log(
    published: LogMaker, tmp_path: Path, count: int
) -> None:
    other = forked(tmp_path, count)
    views = views_of(published, policy(quorum="quorum none"))
    views.add("w1", cosigned(note_of(other), WITNESSES[0]))
    report = verify(published, views)
    assert report.exit_code == 20
    assert "two histories" in report.having(Grade.FORGED)[0].what
    assert report.evidence is not None
    convicted = Misbehaviour.parse(report.evidence).verify([published.log_key.verifier])
    assert (convicted.smaller.size, convicted.larger.size) == (
        len(other.entries), len(published.entries),
    )  # fmt: skip


def test_whoever_knows_more_than_is_shown_here_is_believed(
    published: LogMaker, tmp_path: Path
) -> None:
    views = views_of(published, policy(quorum="quorum none"))
    views.add("w1", cosigned(note_of(forked(tmp_path, 9)), WITNESSES[0]))
    report = verify(published, views)
    assert report.exit_code == 10
    assert "was seen, 12 are shown here" in report.having(Grade.INCOMPLETE)[0].what


def test_two_witnesses_that_were_shown_two_logs_convict_it_together(
    published: LogMaker, tmp_path: Path
) -> None:
    views = views_of(published, policy(quorum="quorum none"))
    for at, folder in enumerate(("a", "b")):
        other = forked(tmp_path / folder, 9)
        raw = note_of(other)
        if at:
            head = Checkpoint(ORIGIN, len(other.entries), bytes(32))
            raw = head.sign([published.log_key])
        views.add(f"w{at}", cosigned(raw, WITNESSES[at]))
    report = verify(published, views)
    assert report.exit_code == 20
    assert report.evidence is not None
    Misbehaviour.parse(report.evidence).verify([published.log_key.verifier])


@pytest.mark.parametrize("count", [5, 9])
def test_a_log_that_forks_after_a_verification_is_convicted_by_what_was_kept(
    published: LogMaker, tmp_path: Path, count: int
) -> None:
    assert verify(published, views_of(published, Policy())).exit_code == 0
    other = forked(tmp_path, count)
    other.state = published.state
    report = verify(other, views_of(published, Policy()))
    assert report.exit_code == 20
    assert report.evidence is not None
    convicted = Misbehaviour.parse(report.evidence).verify([published.log_key.verifier])
    assert convicted.smaller.size == 12


class _Answers(BaseHTTPRequestHandler):
    def __init__(self, answers: dict[str, tuple[int, bytes]], *given: object) -> None:
        self.answers = answers
        super().__init__(*given)  # type: ignore[arg-type]  # as the server calls it

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def answers() -> Iterator[tuple[str, dict[str, tuple[int, bytes]]]]:
    """A URL of three witnesses, and what they answer."""
    said: dict[str, tuple[int, bytes]] = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answers, said)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", said
        server.shutdown()
        thread.join()


def test_witnesses_are_asked_what_they_have_seen(
    published: LogMaker, answers: tuple[str, dict[str, tuple[int, bytes]]]
) -> None:
    url, said = answers
    for at in (0, 1):
        path = f"/w{at}/{origin_hash(ORIGIN)}/checkpoint"
        said[path] = (200, cosigned(note_of(published), WITNESSES[at]))
    views = views_of(published, policy(*(f"{url}/w{at}" for at in range(3))))
    views.ask()
    report = verify(published, views)
    assert report.exit_code == 0
    assert report.witnessed_size == 12
    assert not report.findings


def bad_answers(log: LogMaker) -> list[tuple[int, bytes]]:
    stranger = SigningKey.generate(ORIGIN)
    note = note_of(log)
    return [
        (500, b""),
        (302, b""),
        (200, b""),
        (200, b"\xff"),
        (200, note.replace(b"\n12\n", b"\n11\n")),
        (200, Checkpoint(ORIGIN, 12, bytes(32)).sign([stranger])),
        (200, note + f"{WITNESSES[0].cosign(b'else', NOW)}\n".encode()),
    ]


def test_what_a_witness_answers_wrongly_speaks_against_the_witness_alone(
    published: LogMaker, answers: tuple[str, dict[str, tuple[int, bytes]]]
) -> None:
    url, said = answers
    for answer in bad_answers(published):
        said[f"/w/{origin_hash(ORIGIN)}/checkpoint"] = answer
        views = views_of(published, policy(f"{url}/w", quorum="quorum none"))
        views.ask()
        report = verify(published, views)
        assert report.exit_code == 0
        assert [each.grade for each in report.findings] == [Grade.NOTICE]
    views = views_of(published, policy("http://127.0.0.1:1", quorum="quorum none"))
    views.ask()
    assert [each.grade for each in views.findings] == [Grade.NOTICE]


def test_the_command_shows_witnesses_and_writes_the_evidence(
    published: LogMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    file, evidence = tmp_path / "policy", tmp_path / "evidence"
    lines = [f"witness w{at + 1} {each.key}" for at, each in enumerate(WITNESSES)]
    file.write_text("\n".join([*lines, "quorum w1"]))
    keys = [
        "--agency-key", str(published.key(AGENCY).verifier),
        "--log-key", str(published.log_key.verifier),
    ]  # fmt: skip
    options = [*keys, "--policy", str(file), "--evidence", str(evidence)]
    published.write("checkpoint.cosigned", cosigned(note_of(published), WITNESSES[0]))
    result = CliRunner().invoke(app, ["verify", str(published.folder), *options])
    assert result.exit_code == 0
    assert "w1.example: 12 entries, 2027-01-15 08:00:00 UTC" in result.output
    assert not evidence.exists()
    other = forked(tmp_path, 9)
    result = CliRunner().invoke(app, ["verify", str(other.folder), *options])
    assert result.exit_code == 20
    options = ["verify-misbehaviour", str(evidence), "--log", str(published.log_key.verifier)]
    assert CliRunner().invoke(app, options).exit_code == 0
