"""Transparency logs by the C2SP specifications, pure: trees, tiles, checkpoints and proofs."""
