"""`sanyuan verify --drill`: every known way to tamper, tried on a copy, and who finds it."""

from sanyuan.client.drill.ledger import DrillError, Ledger
from sanyuan.client.drill.run import TAMPERINGS, Outcome, tamper
from sanyuan.client.drill.transcript import copy_log

__all__ = ["TAMPERINGS", "DrillError", "Ledger", "Outcome", "copy_log", "tamper"]
