"""Values and rules of the catalog: no clock, no randomness, no input or output."""
