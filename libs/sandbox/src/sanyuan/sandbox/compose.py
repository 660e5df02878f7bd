"""The one-shot services of docker-compose.yml: `broker`, then, once the broker is up, `founding`.

Each finds what it did before and does only what is missing: the same steps as on one machine.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from sanyuan.client.broker import Broker
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import container, founding, settings
from sanyuan.sandbox.kafka import KafkaNotReadyError, serves
from sanyuan.sandbox.kafka_config import Listener
from sanyuan.sandbox.synthetic.registers import make_registers

OUT: Final = Console(highlight=False, soft_wrap=True)
READY_SECONDS: Final = 60.0
INSIDE: Final = "kafka:19092"
URLS: Final = {
    "identity": "http://identity:8201",
    "license-exchange": "http://license-exchange:8202",
    "catalog": "http://catalog:8203",
    "audit": "http://audit:8204",
}
"""As the services of the compose file reach each other."""

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def broker(
    outside: Annotated[str, typer.Option(help="What the host is told.")] = "localhost:9092",
) -> None:
    """Write the broker's start script and its administrator's connection."""
    listeners = [
        Listener("INSIDE", "0.0.0.0:19092", INSIDE),
        Listener("HOST", "0.0.0.0:9092", outside),
    ]
    if container.write(settings.load().var / "kafka", listeners, INSIDE):
        OUT.print("the broker's settings are made")


@app.command("founding")
def found() -> None:
    """Make keys and registers, found the domain, provision the broker."""
    cfg = settings.load()
    make_registers(cfg.var / "registers", cfg.cache)
    admin = Broker.load(cfg.var / "kafka" / "admin.json")
    if not serves(admin, READY_SECONDS):
        raise KafkaNotReadyError("Kafka is not ready", where=admin.bootstrap_servers)
    asyncio.run(_found(cfg.var, admin, URLS))


async def _found(var: Path, admin: Broker, urls: Mapping[str, str]) -> None:
    requests = founding.make_keys(var)
    key = founding.agency_key(requests)
    OUT.print(f"trust root  {founding.fingerprint(key)}")
    await founding.open_the_door(var, admin, key)
    directory = await founding.admit_everyone(var, requests)
    done = await founding.provision_everyone(var, directory, admin, urls)
    OUT.print(
        f"founded     {directory.sequence} records, {len(directory.systems)} systems; new now: "
        f"{done.topics} topics, {done.users} users, {len(done.connected)} connections"
    )


def main() -> None:
    """Entry point: an error of ours is one message."""
    os.umask(0o077)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters is one clear error
    try:
        app()
    except SanyuanError as error:
        OUT.print(str(error), markup=False)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
