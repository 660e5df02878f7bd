"""Trust by signature and type: what in an inbox may be built on, and why not (design §3, §7). Pure.

A service's types count from its registered source alone; a decision only if its command is one's
own, except that of a call, which is decided in the provider's inbox. Who may answer a call depends
on which calls are open: `sanyuan.client.calls.judging`.
"""

from typing import Final

from sanyuan.common.contracts.catalog import CallAdmitted
from sanyuan.common.contracts.message import Decided, Message
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import Envelope
from sanyuan.common.sources import first_life
from sanyuan.common.systems import SystemFile

CATALOG: Final = "catalog"
CALLS: Final = "calls"
SERVICE_OF_TYPE: Final = {
    "identity": "identity",
    "license-exchange": "license-exchange",
    "catalog": CATALOG,
    "audit": "audit",
}
"""By the first part of a type."""
SERVICE_OF_CALL: Final = {"call.admitted.v1": CATALOG, "call.refused.v1": CATALOG}
"""The other types of calls are a provider's."""


def distrust(
    envelope: Envelope, message: Message | None, system: SystemFile, directory: Directory
) -> str | None:
    """Why nothing should be built on a record; None when it may be, as far as this can tell."""
    kind = envelope.type
    service = SERVICE_OF_TYPE.get(kind.split(".", 1)[0]) or SERVICE_OF_CALL.get(kind)
    if service is not None and not is_from(service, envelope, directory):
        return f"a type of {service} that {service} did not send"
    if isinstance(message, CallAdmitted):
        return _distrust_admission(message, system, directory)
    if isinstance(message, Decided) and not _is_own(message.command.source, system):
        return "the decision of somebody else's command"
    return None


def _is_own(source: str, system: SystemFile) -> bool:
    """Commands of an earlier life are the system's too (design §3)."""
    return first_life(source) == first_life(system.source)


def is_from(service: str, envelope: Envelope, directory: Directory) -> bool:
    """Whether a record is the registered service's."""
    registered = directory.by_name.get(service)
    return registered is not None and registered.source == envelope.source


def _distrust_admission(
    admitted: CallAdmitted, system: SystemFile, directory: Directory
) -> str | None:
    """The caller is who asked, sealed the parameters, and gets the answer under its own key."""
    origin, caller = admitted.parameters.origin, directory.systems.get(admitted.caller)
    calls = f"{system.domain}/{CALLS}"
    if caller is None:
        return "the caller of this call is not registered"
    if (admitted.command.source, admitted.command.topic) != (admitted.caller, calls):
        return "it admits another record than a call of its caller"
    if (origin.source, origin.topic, origin.attachment) != (admitted.caller, calls, "parameters"):
        return "its parameters come from another record than the call"
    if admitted.reply_to != caller.inbox:
        return "its answer would go to another inbox than the caller's"
    if admitted.caller_key != caller.sealing.key_id:
        return "its answer would be sealed to another key than the caller's"
    return None
