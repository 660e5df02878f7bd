"""Shared calls as their caller and their provider see them (design §7).

A call is open from the transaction that writes its command until one thing ends it: the catalog's
refusal, the answer of the system that serves it, or its deadline. Whatever comes besides is shown
as unexpected and changes nothing.
"""

from sanyuan.client.calls.judging import Arrived, Judged, judge, result_of
from sanyuan.client.calls.open_calls import MODELS, OpenCalls
from sanyuan.client.calls.opening import OpenCall, Opening, Ref, ref_of
from sanyuan.client.calls.results import Answered, CallResult, Failed, NoAnswer, Refused

__all__ = [
    "MODELS",
    "Answered",
    "Arrived",
    "CallResult",
    "Failed",
    "Judged",
    "NoAnswer",
    "OpenCall",
    "OpenCalls",
    "Opening",
    "Ref",
    "Refused",
    "judge",
    "ref_of",
    "result_of",
]
