"""Where frames come from; `edge.open_source` chooses."""
