"""Reading video: files, folders, cameras and URLs; `edge.open_source` chooses."""
