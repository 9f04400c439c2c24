"""The file: from a trained network to a .tflite that a device runs.

    import keras_sge, quantization
    exporter = quantization.Exporter(keras_sge.load_model("runs/first"), "int8")
    result = exporter.write("first_int8.tflite")
    print(result.bytes, result.validation.relative_difference)

Nothing heavy is imported before a name is used.
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
        "inspect_file": "quantization.inspection.inspect_file",
    },
)
