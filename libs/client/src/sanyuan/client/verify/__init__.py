"""The verifier: trusts nothing but two public keys, and says what it cannot know."""

from sanyuan.client.verify.findings import Finding, Grade, Report
from sanyuan.client.verify.run import verify_log

__all__ = ["Finding", "Grade", "Report", "verify_log"]
