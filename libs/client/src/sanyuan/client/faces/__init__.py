"""What a connected system can ask, a module for each service."""
