"""keras-sge: video object detection with a Squeezed GRU and an information entropy map."""
