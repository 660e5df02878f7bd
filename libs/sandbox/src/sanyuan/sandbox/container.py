"""Kafka's official image with the settings of the embedded broker: SCRAM users and ACLs on.

The image is told everything by one script, which formats the storage once, with the administrator
in it, and starts the broker. The script holds the administrator's password.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sanyuan.sandbox.kafka import admin_of, cluster_id
from sanyuan.sandbox.kafka_config import ADMIN, Listener, properties

IMAGE: Final = "apache/kafka:4.3.1"
DATA: Final = "/var/lib/kafka/data"
_CONTROLLER: Final = "127.0.0.1:9093"
_SCRIPT: Final = """\
set -e
umask 077
cat >/tmp/server.properties <<'END'
{properties}
END
bin=/opt/kafka/bin settings=/tmp/server.properties
$bin/kafka-storage.sh format --ignore-formatted --cluster-id {cluster} --config $settings \\
    --add-scram 'SCRAM-SHA-512=[name={admin},password={password}]'
exec $bin/kafka-server-start.sh $settings
"""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a broker is founded with, once."""

    password: str
    cluster: str

    @classmethod
    def fresh(cls) -> "Secrets":
        """From the operating system's randomness."""
        return cls(secrets.token_urlsafe(32), cluster_id())


def script(known: Secrets, listeners: Sequence[Listener]) -> str:
    """What bash in the image has to run."""
    return _SCRIPT.format(
        properties=properties(listeners, _CONTROLLER, known.password, DATA),
        cluster=known.cluster,
        admin=ADMIN,
        password=known.password,
    )


def write(folder: Path, listeners: Sequence[Listener], address: str) -> bool:
    """Write `broker.sh` and `admin.json` into a folder, unless they are there; whether it did."""
    if (folder / "admin.json").exists():
        return False
    known = Secrets.fresh()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "broker.sh"
    path.touch(mode=0o600)
    path.write_text(script(known, listeners), encoding="utf-8")
    # Last, and atomically: whoever finds it finds the script that fits it.
    admin_of(address, known.password).save(folder / "admin.json")
    return True
