"""Data that looks real and is nobody's: people, organisations, departments."""
