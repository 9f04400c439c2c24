"""The file: from a trained network to a .tflite that a device runs."""
