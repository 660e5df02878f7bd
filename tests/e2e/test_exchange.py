"""Shared calls on the real broker with the real catalog: by SDK, terminal and documents."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from tests.client.test_sql_answers import resource
from tests.e2e.kill_installation import DEPARTMENTS, PURPOSE, Installation, installation
from typer.testing import CliRunner

from sanyuan.client.calls import Answered, Refused
from sanyuan.client.cli.main import app
from sanyuan.client.faces.catalog import Call, Granted, NotGranted, Pending
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem, connect
from sanyuan.common.contracts.catalog import CallAdmitted, Reviewed

pytestmark = pytest.mark.kafka

CALLER: Final = "kiosk"
PROVIDER: Final = "spare-1"
SYSTEMS: Final = {CALLER: DEPARTMENTS[1], PROVIDER: DEPARTMENTS[0]}
REGISTER: Final = {"91": {"status": "正常", "registered_on": "2019-05-07"}}
LATER: Final = datetime(2099, 1, 1, tzinfo=UTC)
WAIT: Final = 120.0
ROOT: Final = Path(__file__).parents[2]
SANYUAN: Final = str(Path(sys.executable).with_name("sanyuan"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    var = tmp_path_factory.mktemp("exchange")
    with installation(var, SYSTEMS, running=("catalog",)) as running:
        yield running


def metadata(made: Installation, code: str, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """A resource of the provider's."""
    source = made.system(PROVIDER).source
    fields = {"code": code, "provider": DEPARTMENTS[0], "serving_system": source} | changed
    return resource(**fields).model_dump(mode="json", exclude_none=True)


async def publish(
    made: Installation,
    provider: ConnectedSystem,
    code: str,
    **changed: Any,  # noqa: ANN401
) -> None:
    submitted = await provider.publish_resource(metadata(made, code, **changed))
    assert submitted.reason is None, submitted
    async with connect(system_path(made.var, "agency")) as office:
        said = [Reviewed(resource=code, revision=1, publish=True)]
        assert (await office.review_resources(said)).reason is None


async def grant(caller: ConnectedSystem, code: str, **changed: Any) -> Any:  # noqa: ANN401
    asked: dict[str, Any] = {
        "fields": ["status", "registered_on"],
        "purpose": PURPOSE,
        "legal_basis": "食品安全法",
        "until": LATER,
    }
    return await caller.request_grant(code, **asked | changed)


def look_up(parameters: Mapping[str, Any], _admitted: CallAdmitted) -> Mapping[str, Any] | None:
    return REGISTER.get(parameters["code"])


@pytest.mark.asyncio
async def test_a_resource_is_published_granted_called_and_answered(made: Installation) -> None:
    code = "306002/000001"
    async with (
        connect(system_path(made.var, PROVIDER)) as provider,
        connect(system_path(made.var, CALLER)) as caller,
        asyncio.timeout(WAIT),
        asyncio.TaskGroup() as tasks,
    ):
        await publish(made, provider, code)
        granted = await grant(caller, code, quota=3)
        assert isinstance(granted, Granted), granted
        serving = tasks.create_task(provider.serve_resource(code, look_up))
        result = await caller.call_resource(granted.terms, {"code": "91"}, case="a-case")
        assert isinstance(result, Answered), result
        assert (result.fields, result.case) == (REGISTER["91"], "a-case")

        await caller.request_calls([Call(granted.terms, {"code": "none"})] * 5)
        results = [await anext(answers) for answers in [caller.answers()] for _ in range(5)]
        found = [result for result in results if isinstance(result, Answered)]
        refused = [result.reason for result in results if isinstance(result, Refused)]
        assert [result.found for result in found] == [False, False]
        assert refused == ["quota"] * 3
        serving.cancel()

        held = (await caller.catalogue()).grants_of(DEPARTMENTS[1])
        assert [terms.grant for terms in held] == [granted.terms.grant]


@pytest.mark.asyncio
async def test_a_conditional_resource_waits_for_its_provider(made: Installation) -> None:
    code = "306002/000002"
    conditional = {"type": "conditional", "conditions": "限于许可审查"}
    async with (
        connect(system_path(made.var, PROVIDER)) as provider,
        connect(system_path(made.var, CALLER)) as caller,
        asyncio.timeout(WAIT),
    ):
        await publish(made, provider, code, sharing=conditional)
        for allow in (True, False):
            pending = await grant(caller, code)
            assert isinstance(pending, Pending), pending
            await provider.read_inbox()
            requests = [asked.request for asked, _ in provider.grant_requests()]
            assert requests == [pending.request]
            reason = None if allow else "用途不符"
            said = await provider.decide_grant(pending.request, allow=allow, reason=reason)
            assert said.reason is None, said
            word = await caller.grant_decided(pending.request, timeout=WAIT)
            if allow:
                assert isinstance(word, Granted)
                ended = await provider.revoke_grant(word.terms.grant, reason="审查结束")
                assert ended.reason is None, ended
                result = await caller.call_resource(word.terms, {"code": "91"})
                assert isinstance(result, Refused)
                assert result.reason == "grant-revoked"
            else:
                assert isinstance(word, NotGranted)
                assert word.reason == "用途不符"


@pytest.mark.asyncio
async def test_what_was_asked_before_a_restart_is_answered_once_after_it(
    made: Installation,
) -> None:
    code = "306002/000003"
    async with (
        connect(system_path(made.var, PROVIDER)) as provider,
        connect(system_path(made.var, CALLER)) as caller,
        asyncio.timeout(WAIT),
    ):
        await publish(made, provider, code)
        granted = await grant(caller, code)
        await caller.request_calls([Call(granted.terms, {"code": "91"})] * 3)
        await caller._connector.drained()
    async with (
        connect(system_path(made.var, PROVIDER)) as provider,
        asyncio.timeout(WAIT),
    ):
        serving = asyncio.create_task(provider.serve_resource(code, look_up))
        async with connect(system_path(made.var, CALLER)) as caller:
            answers = caller.answers()
            results = [await anext(answers) for _ in range(3)]
        serving.cancel()
    assert [type(result) for result in results] == [Answered] * 3
    assert len({result.call.sequence for result in results}) == 3


SQL: Final = "SELECT status, registered_on FROM firm WHERE code = :code"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "firms.db"
    with closing(sqlite3.connect(path)) as register, register:
        register.execute("CREATE TABLE firm (code, status, registered_on)")
        register.execute("INSERT INTO firm VALUES ('91', '正常', '2019-05-07')")
    (tmp_path / "query.sql").write_text(SQL)
    return path


def sanyuan(made: Installation, *arguments: str, code: int = 0) -> str:
    """Run the command in this process; its output."""
    environment = {"SANYUAN_VAR": str(made.var), "COLUMNS": "200"}
    ran = CliRunner().invoke(app, arguments, env=environment)
    assert ran.exit_code == code, ran.output
    return ran.output


@contextmanager
def served(made: Installation, code: str, database: Path) -> Iterator[None]:
    """`sanyuan serve` as a process, until Ctrl-C."""
    command = [SANYUAN, "serve", "--resource", code, "--sql", str(database.parent / "query.sql")]
    command += ["--database", str(database), "--as", str(system_path(made.var, PROVIDER))]
    environment = os.environ | {"SANYUAN_VAR": str(made.var)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "serving" in process.stdout.readline()
            yield
            process.send_signal(signal.SIGINT)
            process.wait(60)
        finally:
            process.kill()  # whatever failed is told, not waited for


def test_the_same_at_a_terminal(made: Installation, database: Path) -> None:
    code = "306002/000004"
    provider, caller = (str(system_path(made.var, name)) for name in (PROVIDER, CALLER))
    file = database.parent / "resource.json"
    file.write_text(json.dumps(metadata(made, code)))

    assert "resource-submitted" in sanyuan(made, "publish-resource", str(file), "--as", provider)
    assert "published" in sanyuan(made, "review", code)
    asked = ["--purpose", PURPOSE, "--legal-basis", "食品安全法", "--until", "2099-01-01"]
    told = sanyuan(made, "request-grant", code, *asked, "--field", "status", "--as", caller)
    assert code in told
    assert code in sanyuan(made, "grants", "list", "--as", caller)

    with served(made, code, database):
        answer = sanyuan(made, "call", code, "--param", "code=91", "--as", caller)
        assert "正常" in answer
        assert "2019-05-07" not in answer
        nothing = sanyuan(made, "call", code, "--param", "code=92", "--as", caller)
        assert "nothing found" in nothing
        bad = sanyuan(made, "call", code, "--param", "id=91", "--as", caller, code=1)
        assert "malformed-parameters" in bad


def test_what_is_not_served_here_says_so(made: Installation, database: Path) -> None:
    query = str(database.parent / "query.sql")
    arguments = ["--sql", query, "--database", str(database)]
    caller = str(system_path(made.var, CALLER))
    said = sanyuan(made, "serve", "--resource", "306002/000009", *arguments, "--as", caller, code=2)
    assert "no resource with this code is published" in said


def snippet(name: str) -> str:
    """A block of docs/connect.md, as it is written."""
    text = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name}:.*?-->\s*```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_documents_provider_answers_the_documents_caller(
    made: Installation, tmp_path: Path
) -> None:
    (tmp_path / "var").symlink_to(made.var)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SANYUAN_")}
    command = [sys.executable, "-c", snippet("provider")]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as provider:
        assert provider.stdout is not None
        assert provider.stdout.readline() == "catalog.resource-submitted.v1\n"
        assert "published" in sanyuan(made, "review", "306999/000001")
        caller = subprocess.run(
            [sys.executable, "-c", snippet("caller")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
        provider.kill()
    assert caller.stdout.startswith("Answered {'status': '正常'} case "), caller.stderr
