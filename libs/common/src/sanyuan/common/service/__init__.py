"""The runtime under every domain service: batches of commands to decisions (design §4)."""
