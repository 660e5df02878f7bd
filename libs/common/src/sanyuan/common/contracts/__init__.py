"""The published language: one frozen model for the data of every message (design §3)."""
