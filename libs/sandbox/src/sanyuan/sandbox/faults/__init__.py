"""Faults on purpose: what is killed under load, and the count of what it cost, which is nothing."""
