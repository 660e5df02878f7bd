"""The published language as documents: AsyncAPI 3.0 and JSON Schema, made from the contracts."""
