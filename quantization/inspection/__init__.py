"""A finished file looked into, whoever wrote it."""
