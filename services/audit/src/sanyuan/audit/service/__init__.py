"""The audit service at work: intake → sequencer → publication, and what it waits for before.

Three loops: one reads ahead and has batches checked; one appends and commits; one seals and
publishes while the next batches are appended already. Any error ends the process: the start is the
recovery.
"""

from sanyuan.audit.service.log import AuditLog, TransactionError
from sanyuan.audit.service.standing import Standing
from sanyuan.audit.service.work import AHEAD, run, wait_for_folder, work

__all__ = ["AHEAD", "AuditLog", "Standing", "TransactionError", "run", "wait_for_folder", "work"]
