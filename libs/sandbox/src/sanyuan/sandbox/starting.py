"""From nothing, or from what is there, to an installation that serves (design §2, §10).

What takes time overlaps: the broker starts, registers are copied and the services load their code
while keys are made; what the user sees keeps the order of the founding.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from sanyuan.client.broker import Broker
from sanyuan.sandbox import jars, services
from sanyuan.sandbox.embedded import READY_SECONDS, install
from sanyuan.sandbox.kafka import NAME as KAFKA
from sanyuan.sandbox.kafka import Kafka
from sanyuan.sandbox.language import Words
from sanyuan.sandbox.members import DOMAIN
from sanyuan.sandbox.runner import Runner, mourner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.steps import Steps
from sanyuan.sandbox.synthetic.catalogue.keeping import NAME as CATALOGUE
from sanyuan.sandbox.synthetic.catalogue.keeping import keep_catalogue, marked_lines
from sanyuan.sandbox.synthetic.registers import Registers, make_registers

SERVICE_LIVES: Final = 3
"""The supervisor starts again what dies; what keeps dying needs somebody to look."""
_OVERLAPPED: Final = 2


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that runs, for whoever uses it."""

    settings: Settings
    runner: Runner
    kafka: Kafka
    ports: Mapping[str, int]

    @property
    def registers(self) -> Registers:
        """The synthetic registers."""
        return Registers(_data(self.settings))

    @property
    def catalogue(self) -> Path:
        """The national catalogue, a resource a line."""
        return _data(self.settings) / CATALOGUE


def bring_up(settings: Settings, runner: Runner, console: Console) -> Installation:
    """Start what does not run, found what is not founded; everything is ready once this returns.

    Raises SanyuanError with what, where and what to do.
    """
    steps, words = Steps(console, settings.language), Words(settings.language)
    ports = services.choose_ports(settings)
    if not _alive(runner) & set(services.NAMES):
        services.check_ports(ports)
    kafka = _install(settings, steps, words)
    with _overlapping() as (pool, ending):
        broker = pool.submit(_start_programs, kafka, runner, ports, ending)
        registers = pool.submit(_make_data, settings)
        _found(settings, broker, registers, services.urls(ports), steps)
    with steps.step(words("6 服务", "6 services")) as step:
        for name in services.NAMES:
            given_up = mourner(runner, name, SERVICE_LIVES)
            services.wait_until_ready(name, ports[name], settings.var, given_up)
        everyone = "、".join(services.NAMES), ", ".join(services.NAMES)
        step.detail = words(f"{everyone[0]} 已就绪", f"{everyone[1]} are ready")
    return Installation(settings, runner, kafka, ports)


def _data(settings: Settings) -> Path:
    return settings.var / "registers"


def _make_data(settings: Settings) -> Registers:
    registers = make_registers(_data(settings), settings.cache)
    keep_catalogue(_data(settings), settings.cache, DOMAIN)
    return registers


def _install(settings: Settings, steps: Steps, words: Words) -> Kafka:
    if jars.folder(settings.cache).exists():
        return install(settings)
    with steps.step(words("准备", "preparing")) as step:
        kafka = install(settings, step.report)
        step.detail = words("Kafka 已下载并核对", "Kafka fetched and checked")
    return kafka


@contextmanager
def _overlapping() -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Threads that give up as soon as the main one does."""
    ending = threading.Event()
    with ThreadPoolExecutor(_OVERLAPPED) as pool:
        try:
            yield pool, ending
        except BaseException:
            ending.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_programs(
    kafka: Kafka, runner: Runner, ports: Mapping[str, int], ending: threading.Event
) -> Broker:
    """Start all, the broker first, so that it is stopped last; return when it serves.

    The services wait by themselves for what the founding gives them.
    """
    alive = _alive(runner)
    if KAFKA not in alive:
        runner.start(kafka.prepare())
    for name in services.NAMES:
        runner.start(services.program(name, kafka.var, ports[name]))
    if KAFKA not in alive:
        died = mourner(runner, KAFKA)
        kafka.wait_until_ready(READY_SECONDS, given_up=lambda: died() or ending.is_set())
    return kafka.admin


def _alive(runner: Runner) -> set[str]:
    return {state.name for state in runner.states() if state.is_alive()}


def _found(
    settings: Settings,
    broker: Future[Broker],
    registers: Future[Registers],
    urls: Mapping[str, str],
    steps: Steps,
) -> None:
    # Imported here: it takes as long as the broker takes to start.
    from sanyuan.sandbox import founding  # noqa: PLC0415

    words, var = Words(settings.language), settings.var
    with steps.step(words("1 密钥", "1 keys")) as step:
        requests = founding.make_keys(var, step.report)
        key = founding.agency_key(requests)
        step.detail = words(
            f"{len(requests)} 个系统各自的签名密钥与加密密钥",
            f"{len(requests)} systems, each with its own signing and sealing key",
        )
    steps.console.print(
        f"   {words('信任根', 'trust root')}  [bold]{founding.fingerprint(key)}[/]\n"
        f"   [dim]{words('机构公钥的指纹：一切由它验证', _TRUST)}[/]",
        highlight=False,
    )
    with steps.step("2 Kafka") as step:
        admin = broker.result()
        step.detail = words(
            f"{admin.bootstrap_servers}，口令登录（SCRAM），逐条授权（ACL）",
            f"{admin.bootstrap_servers}, SCRAM log-in and ACLs on",
        )
    with steps.step(words("3 开门", "3 first topic")) as step:
        asyncio.run(founding.open_the_door(var, admin, key))
        step.detail = words("主题 participants，用户 agency", "participants, and the agency's user")
    with steps.step(words("4 登记", "4 the agency")) as step:
        directory = asyncio.run(founding.admit_everyone(var, requests))
        step.detail = words(
            f"{directory.sequence} 条记录：{len(directory.participants)} 个参与方，"
            f"{len(directory.systems)} 个系统与服务，{len(directory.permissions)} 项许可",
            f"{directory.sequence} records: {len(directory.participants)} participants, "
            f"{len(directory.systems)} systems, {len(directory.permissions)} permissions",
        )
    with steps.step(words("5 开通", "5 provisioning")) as step:
        done = asyncio.run(founding.provision_everyone(var, directory, admin, urls, step.report))
        step.detail = words(
            f"新增 {done.topics} 个主题，{done.users} 个用户，{done.granted} 条权限，"
            f"{len(done.connected)} 份连接",
            f"new: {done.topics} topics, {done.users} users, {done.granted} permissions, "
            f"{len(done.connected)} connections",
        )
    _show_registers(steps, words, registers)


def _show_registers(steps: Steps, words: Words, registers: Future[Registers]) -> None:
    with steps.step(words("  登记簿", "  registers")) as step:
        made = registers.result()
        people, firms = made.count_people(), made.count_organisations()
        resources = sum(1 for _ in marked_lines(made.folder / CATALOGUE))
        step.detail = words(
            f"{people:,} 人、{firms:,} 家单位、{resources:,} 项目录，全部虚构，号码有效",
            f"{people:,} people, {firms:,} organisations, {resources:,} resources, "
            "all invented, valid numbers",
        )


_TRUST: Final = "fingerprint of the agency's key: everything is verified from it"
