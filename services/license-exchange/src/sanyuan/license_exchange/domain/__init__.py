"""Values and rules of license-exchange: no clock, no randomness, no input or output."""
