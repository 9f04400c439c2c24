"""What runs a deployed file: one face, several runtimes; `edge.runtimes.runtime` chooses."""
