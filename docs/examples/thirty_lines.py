"""A client of thirty-odd statements: verifies one person with nothing of Sanyuan installed.

    python thirty_lines.py var/systems/spare-1.json NAME NUMBER food-business-licence

It reads all keys from `participants`, goes on where its inbox says that its own stream stands,
sends one command, checks the decision's signature, opens the assertion and prints both as JSON.
"""

import asyncio
import json
import ssl
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from nacl.signing import SigningKey, VerifyKey

HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
NEW_STREAM = {"sequence": "0", "hash": "0" * 64}


def info(source, topic, attachment, public_key):
    """Bind a ciphertext to its place and its reader."""
    key_id = sha256(b64decode(public_key)).hexdigest()[:16]
    return f"sanyuan-seal-v1\n{source}\n{topic}\n{attachment}\n{key_id}".encode()


def check(record, verifier_key):
    """Return a record's envelope; raises when this C2SP verifier key has not signed it."""
    name, _, public_key = verifier_key.split("+", 2)
    blob = dict(record.headers)["signature"].decode().removeprefix(f"— {name} ")
    VerifyKey(b64decode(public_key)[1:]).verify(record.value + b"\n", b64decode(blob)[4:])
    return json.loads(record.value)


async def read(consumer, topic):
    """Yield everything that the topic holds now; what comes later, the consumer gets next."""
    consumer.assign([partition := TopicPartition(topic, 0)])
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    while await consumer.position(partition) < end:
        yield await consumer.getone(partition)


async def verify(me, consumer, producer, person, purpose):
    """Ask identity whether a name has a number; return its decision and assertion, if any."""
    source, domain, inbox = me["source"], me["source"].split("/")[2], me["inbox"]
    told = [check(r, me["agency_key"])["data"] async for r in read(consumer, "participants")]
    systems = {data["source"]: data for data in told if "sealing_key" in data}
    identity = systems[f"//{domain}/services/identity"]
    key, reader = identity["signing_key"], identity["sealing_key"]
    past = [check(record, key)["data"]["command"] async for record in read(consumer, inbox)]
    last = max(past, key=lambda command: command["sequence"], default=NEW_STREAM)
    subject = HPKE.encrypt(
        json.dumps(person).encode(),
        X25519PublicKey.from_public_bytes(b64decode(reader)),
        info(source, f"{domain}/identity-commands", "subject", reader),
    )
    envelope = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": source,
        "type": "identity.verify-person.v1",
        "time": datetime.now(UTC).isoformat(),
        "topic": f"{domain}/identity-commands",
        "sequence": f"{int(last['sequence']) + 1:020d}",
        "previous": last["hash"],
        "correlationid": uuid4().hex,
        "data": {
            "purpose": purpose,
            "legal_basis": "Food Safety Law, article 35",
            "audience": "license-exchange",
            "subject": {"sealed": f"sha256:{sha256(subject).hexdigest()}"},
        },
    }
    value = json.dumps(envelope, separators=(",", ":")).encode()
    name, key_id, _ = systems[source]["signing_key"].split("+", 2)
    signature = SigningKey(b64decode(me["signing_key"])).sign(value + b"\n").signature
    note = f"— {name} {b64encode(bytes.fromhex(key_id) + signature).decode()}".encode()
    headers = [("signature", note), ("sealed-subject", subject)]
    await producer.send_and_wait("identity-commands", value, source.encode(), headers=headers)
    async for record in consumer:
        decision = check(record, key)
        if decision["data"]["command"]["hash"] == sha256(value).hexdigest():
            return decision, unseal(me, systems[source], record, decision)


def unseal(me, own, record, decision):
    """Open the assertion that a decision may carry."""
    opener = X25519PrivateKey.from_private_bytes(b64decode(me["sealing_key"]))
    place = info(decision["source"], decision["topic"], "assertion", own["sealing_key"])
    sealed = dict(record.headers).get("sealed-assertion")
    return sealed and HPKE.decrypt(sealed, opener, place).decode()


async def main(file, name, number, purpose):
    """Connect by the system file alone."""
    me = json.loads(Path(file).read_text("utf-8"))
    net = {
        "bootstrap_servers": me["bootstrap_servers"],
        "security_protocol": me["security_protocol"],
        "ssl_context": me["ca_file"] and ssl.create_default_context(cafile=me["ca_file"]),
        "sasl_mechanism": me["sasl_mechanism"],
        "sasl_plain_username": me["username"],
        "sasl_plain_password": me["password"],
    }
    person = {"name": name, "number": number}
    async with AIOKafkaConsumer(**net) as consumer, AIOKafkaProducer(**net) as producer:
        decision, assertion = await verify(me, consumer, producer, person, purpose)
    print(json.dumps({"decision": decision, "assertion": assertion}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
