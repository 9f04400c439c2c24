"""Quantization-aware fine-tuning: from a trained network to an int8 file that has learned to live with its steps."""
