"""What the agency says of streams that it ended, compared with the log (design §3). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.common.contracts.participants import SystemSuperseded
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.envelope import ZERO_HASH, Envelope
from sanyuan.common.folding import PARTICIPANTS


def compare_ended(
    index: int, envelope: Envelope, heads: Mapping[tuple[str, str], tuple[int, str]]
) -> Iterator[Finding]:
    """Say where the log has less of a superseded source, or others, than it had sealed.

    ``heads`` are the log's before entry ``index``. What lies between the sealed head and the log's
    own is not looked at: the streams' chains and seals speak for it.
    """
    if envelope.type != SystemSuperseded.TYPE:
        return
    try:
        message = parse_data(envelope.type, PARTICIPANTS, envelope.data)
    except ContractError:
        return  # without effect, for every reader alike
    if not isinstance(message, SystemSuperseded):
        return
    for topic, last, head in message.heads:
        place, found = heads.get((message.source, topic), (0, ZERO_HASH))
        if place < last or (place == last and found != head):
            yield Finding(
                Grade.FORGED,
                f"the log had sealed this stream up to {last}, and has it up to {place}",
                index=index,
                source=message.source,
                topic=topic,
                sequence=last,
                expected=head,
                found=found,
            )
