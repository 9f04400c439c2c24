"""Video object detection with a Squeezed GRU and an information entropy map: clips in, a trained network out.

    import keras_sge
    config = keras_sge.load_config("quickstart", ["training.epochs=2"])
    keras_sge.train(config, "runs/first")
    # Curves need the low scores, too.
    detector = keras_sge.open_detector("runs/first", score_threshold=0.01)
    result = keras_sge.evaluate(detector, keras_sge.open_videos("data/sky", "val"))
    print(result.map50, result.table())

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
        "layers": "keras_sge.layers",
        "load_config": "keras_sge.config",
        "load_model": "keras_sge.models.checkpoints",
        "models": "keras_sge.models",
        "open_detector": "keras_sge.evaluation",
        "open_videos": "keras_sge.data",
        "train": "keras_sge.training",
    },
)

register_with_keras()
