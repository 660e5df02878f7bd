"""How a system joins a domain: its own keys, and the request that the agency admits (design §2)."""

from pathlib import Path

from sanyuan.common.logkeys import LOG_KEY_FILE, open_log_key
from sanyuan.common.sources import Source, parse_name
from sanyuan.common.systems import JoinRequest, SystemFile


def join(
    var: Path,
    source: Source,
    *,
    node: str | None = None,
    operated_by: str | None = None,
) -> JoinRequest:
    """Make ``systems/<name>.json`` with fresh keys, unless it is there, and the request for it.

    The audit service also gets the log's own key, and its request names it. Raises SourceError for
    a bad name, SystemFileError or LogKeyError for a broken file.
    """
    parse_name(source.name)
    path = system_path(var, source.name)
    if path.exists():
        system = SystemFile.load(path)
    else:
        system = SystemFile.create(str(source))
        system.save(path)
    log_key = None
    if (source.role, source.name) == ("service", "audit"):
        log_key = str(open_log_key(var / LOG_KEY_FILE, source.domain).verifier)
    request = JoinRequest.of(system, node=node, operated_by=operated_by, log_key=log_key)
    write_request(request_path(var, source.name), request)
    return request


def write_request(target: Path, request: JoinRequest) -> None:
    """Write a request, atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".new")
    draft.write_text(request.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    draft.replace(target)


def system_path(var: Path, name: str) -> Path:
    """Where the file of a system lies."""
    return var / "systems" / f"{name}.json"


def request_path(var: Path, name: str) -> Path:
    """Where its request lies."""
    return var / "requests" / f"{name}.json"
