"""The file: from a trained network to a .tflite that a device runs.

    import keras_sge, quantization

    exporter = quantization.Exporter(keras_sge.load_model("runs/first"), "int8")
    print(exporter.write("first_int8.tflite"))                        # size, precision, how near it is to the network
    print(quantization.inspect_file("first_int8.tflite").passed)

- `Exporter` calibrates (`CalibrationSource`), quantizes, validates and writes; `RECIPES` are the forms of file by name,
  `ExportResult` is what was written, `write_file` its last step alone.
- `fine_tune` trains a network with the rounding in place, in a run folder; `tuned_exporter` is the `Exporter` of its
  best epoch. Both need the extra `qat`.
- `inspect_file` checks any .tflite; `compare_files` holds files of one network against each other.

Names are loaded when they are first used: importing the package imports nothing heavy.
"""

from edge.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    globals(),
    {
        "CalibrationSource": "quantization.calibration",
        "Exporter": "quantization.exporter",
        "ExportResult": "quantization.exporter",
        "RECIPES": "quantization.recipes",
        "compare_files": "quantization.comparison.compare_files",
        "fine_tune": "quantization.qat.fine_tune",
        "inspect_file": "quantization.inspection.inspect_file",
        "tuned_exporter": "quantization.qat.fine_tune",
        "write_file": "quantization.exporter",
    },
)
