"""Values and rules of identity: no clock, no randomness, no input or output."""
