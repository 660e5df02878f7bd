"""The work of the service's process: three loops, and what it waits for before."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import IO, Final

import structlog

from sanyuan.audit.checking import Checker
from sanyuan.audit.facts import Checked
from sanyuan.audit.folder import LogFolder, LogFolderHeldError
from sanyuan.audit.heads import ForkError
from sanyuan.audit.intake import Intake, ParticipantsFeed
from sanyuan.audit.published import published_notes
from sanyuan.audit.publisher import Publisher, Sender
from sanyuan.audit.recovery import recover
from sanyuan.audit.room import Room
from sanyuan.audit.sequencer import Sequencer
from sanyuan.audit.service.log import AuditLog, Clock
from sanyuan.audit.service.standing import Standing
from sanyuan.audit.settings import Settings, load_policy
from sanyuan.audit.state import OWN_TOPIC
from sanyuan.audit.store import load_parts, open_database
from sanyuan.audit.voice import Voice
from sanyuan.audit.witnesses import Witnesses
from sanyuan.audit.years import YearTurnedError, known_year, settle
from sanyuan.common import memory
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.follower import Follower, Participants
from sanyuan.common.logkeys import load_log_key
from sanyuan.common.notes import SigningKey
from sanyuan.common.service.waiting import wait_connected, wait_for_lock, wait_registered
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.policy import Policy

FORGET_SECONDS: Final = 3600.0
STANDBY_SECONDS: Final = 0.5
AHEAD: Final = 4
"""Batches that are checked, or wait, while another one is appended: the workers never wait. With
two, they waited for a fifth of the time."""

log = structlog.get_logger()


async def work(settings: Settings, standing: Standing, clock: Clock = time.time) -> None:
    """Run until an error ends it; raises what ended it. Each year's log is a start of its own."""
    while True:
        try:
            await _work_on_one(settings, standing, clock)
        except* YearTurnedError:
            log.info("the log of a year is closed")
        standing.begin()


async def _work_on_one(settings: Settings, standing: Standing, clock: Clock) -> None:
    system = await wait_connected(settings.system_file, standing.say)
    key = load_log_key(settings.log_key_file)
    folder = LogFolder(settings.log_folder)
    own = (system.source, OWN_TOPIC)
    room = Room((folder.path.parent, folder.path), settings.room_bytes)
    while trouble := room.trouble():
        standing.say(trouble)
        await asyncio.sleep(STANDBY_SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        database = await wait_for_lock(lambda: open_database(settings.database), standing.say)
        stack.callback(database.close)
        held = await wait_for_folder(folder, standing)
        stack.callback(held.close)
        standing.say("comparing the log with its checkpoints")
        policy = load_policy(settings.witness_policy)
        known = await database.transaction(lambda each: known_year(each, key))
        notes = await published_notes(system, folder, known.verifier, policy)
        current, found = await database.transaction(lambda each: settle(each, folder, key, notes))
        recovered = await database.transaction(
            lambda each: recover(
                each, folder, found, key=current.verifier, domain=system.domain, own=own
            )
        )
        state = recovered.state
        feed = ParticipantsFeed(system, state.offsets.get((PARTICIPANTS, 0), 0))
        follower = await Follower.start(system, {PARTICIPANTS: feed.apply})
        stack.push_async_callback(follower.stop)
        await wait_registered(system, follower, feed.seen, standing.say)
        check_founding(feed.seen, key)
        standing.participants = feed.seen
        sender = Sender(system)
        stack.push_async_callback(sender.stop)
        voice = Voice(system.domain, system.source, system.signing)
        publisher = Publisher(folder, current, sender, recovered.published)
        stack.callback(publisher.close)
        audit_log = AuditLog(
            database,
            Sequencer(state, voice, gap_seconds=settings.gap_seconds),
            recovered.growth,
            publisher,
            standing,
            clock,
        )
        await audit_log.publish_recovered(recovered, await database.transaction(load_parts))
        checker = Checker(system.domain)
        stack.callback(checker.close)
        # Half of what the next checkpoint is waited for anyway.
        collect = settings.checkpoint_seconds / 2
        intake = Intake(system, feed, follower, checker, standing.measures, room, collect)
        stack.push_async_callback(intake.stop)
        await intake.start(state.offsets)
        standing.intake, standing.waiting = intake, None
        memory.settle()
        log.info("ready", source=system.source, size=state.size, published=publisher.published.size)
        async with asyncio.TaskGroup() as tasks:
            if policy is not None:
                witnesses = make_witnesses(policy, folder, publisher, standing, settings)
                stack.push_async_callback(witnesses.stop)
                tasks.create_task(witnesses.run(), name="witnesses")
            tasks.create_task(run(intake, audit_log, settings.checkpoint_seconds), name="run")


async def wait_for_folder(folder: LogFolder, standing: Standing) -> IO[str]:
    """Become the one process that writes the log's files; they are free when the result closes."""
    while True:
        try:
            return folder.hold()
        except LogFolderHeldError as error:
            standing.say(f"standing by: {error}")
        await asyncio.sleep(STANDBY_SECONDS)


def make_witnesses(
    policy: Policy,
    folder: LogFolder,
    publisher: Publisher,
    standing: Standing,
    settings: Settings,
) -> Witnesses:
    """Return what asks the policy's witnesses and publishes what they cosign."""

    async def publish(head: Checkpoint, note: bytes) -> None:
        await publisher.publish_cosigned(head, note)
        standing.measures.cosigned = head.size

    return Witnesses(policy, folder, standing.announced, publish, settings.witness_seconds)


async def run(intake: Intake, audit_log: AuditLog, interval: float) -> None:
    """Read, append and publish until one of them fails."""
    batches: asyncio.Queue[asyncio.Task[Checked]] = asyncio.Queue(maxsize=AHEAD)

    async def read() -> None:
        while True:
            await batches.put(await intake.next())

    async def append() -> None:
        while True:
            await audit_log.append(await (await batches.get()))

    async def seal() -> None:
        forgotten = 0.0
        while True:
            started = time.monotonic()
            if started > forgotten + FORGET_SECONDS:
                await audit_log.forget()
                forgotten = started
            await audit_log.seal()
            if audit_log.is_year_over():
                await audit_log.turn_year()
            await asyncio.sleep(max(0.0, started + interval - time.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for loop in (read, append, seal):
            tasks.create_task(loop(), name=loop.__name__)


def check_founding(participants: Participants, key: SigningKey) -> None:
    """Raise ForkError unless the domain was founded with this very log."""
    founding = participants.directory.founding
    if founding is None or (founding.log_origin, founding.log_key) != (key.name, key.verifier):
        raise ForkError(
            f"the domain was founded with another log than {key.verifier}",
            do="the log's key and origin are those of the founding record: restore that key",
        )
