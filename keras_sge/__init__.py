"""Video object detection with a Squeezed GRU and an information entropy map: clips in, a trained network out.

    import keras_sge
    model = keras_sge.train("quickstart", run="runs/first", data="data/sky")
    result = keras_sge.evaluate(model, "data/sky", split="val")
    print(result.map50, result.table())
    for frame in model.predict_video("clip.mp4"):
        print(frame.frame_id, frame.detections)

Nothing heavy is imported before a name is used. `load_model` reads a run folder, a `.keras` or an `.npz` file. Once
this package and Keras are imported, in either order, `keras.models.load_model` reads our `.keras` files as well.
"""

from edge.lazy import lazy_names
from keras_sge.keras_registry import register_with_keras

__all__, __getattr__, __dir__ = lazy_names(
    globals(),
    {
        "Config": "keras_sge.config",
        "Protocol": "keras_sge.evaluation",
        "SGENet": "keras_sge.models",
        "bootstrap": "keras_sge.evaluation",
        "data": "keras_sge.data",
        "evaluate": "keras_sge.evaluation",
        "evaluation": "keras_sge.evaluation",
        "import_detector": "keras_sge.models.imported",
        "layers": "keras_sge.layers",
        "load_config": "keras_sge.config",
        "load_model": "keras_sge.models.checkpoints",
        "models": "keras_sge.models",
        "open_detector": "keras_sge.evaluation",
        "open_videos": "keras_sge.data",
        "progress_bar": "keras_sge.progress",
        "teach": "keras_sge.teaching",
        "train": "keras_sge.training",
    },
)

register_with_keras()
