"""Every department answers the calls of its resources, each from its own database."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sanyuan.client.calls.answering import CannotAnswerError
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import CallAdmitted
from sanyuan.sandbox.demo.load.answers import MalformedParametersError, ProviderDatabase

Parameters = Mapping[str, Any]


async def serve(system: ConnectedSystem, path: Path) -> None:
    """Answer for ever from a department's database; raises what the SDK raises."""
    provider = ProviderDatabase(path)
    try:
        await system.serve_resources(dict.fromkeys(provider.codes, answering(provider)))
    finally:
        provider.close()


def answering(
    provider: ProviderDatabase,
) -> Callable[[Parameters, CallAdmitted], dict[str, object] | None]:
    """The answer function of all of a department's resources."""

    def answer(parameters: Parameters, admitted: CallAdmitted) -> dict[str, object] | None:
        try:
            return provider.answer(admitted.resource, parameters, admitted.fields)
        except MalformedParametersError as error:
            wanted = f"a call says {error} and nothing else"
            raise CannotAnswerError("malformed-parameters", wanted) from None

    return answer
