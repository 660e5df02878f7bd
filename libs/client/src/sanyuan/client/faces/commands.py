"""What a command says is checked before it is sent: a refusal costs a record for ever."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sanyuan.common.contracts.message import Message
from sanyuan.common.errors import SanyuanError


class MalformedCommandError(SanyuanError):
    """A command would break the contract of its type; nothing was sent."""


def check_command(command: type[Message], data: Mapping[str, Any]) -> dict[str, Any]:
    """The command's data as JSON has it; raises MalformedCommandError that names the field."""
    try:
        message = command.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedCommandError(
            first["msg"], where=f"{command.TYPE}: {where}", do="see docs/schemas"
        ) from None
    return message.model_dump(mode="json", by_alias=True, exclude_none=True)
