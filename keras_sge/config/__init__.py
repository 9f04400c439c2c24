"""Configurations: small YAML files read into frozen, validated objects."""

from keras_sge.config.config import (
    Config,
    builtin_configs,
    config_from_dict,
    config_path,
    config_to_dict,
    load_config,
)
from keras_sge.config.maps import AnchorConfig, HeadsConfig
from keras_sge.config.network import EntropyConfig, MemoryConfig, NetworkConfig, ReductionConfig
from keras_sge.config.teaching import TeachingConfig
from keras_sge.config.training import AugmentationConfig, DataConfig, Fold, QatConfig, TrainingConfig

__all__ = [
    "AnchorConfig",
    "AugmentationConfig",
    "Config",
    "DataConfig",
    "EntropyConfig",
    "Fold",
    "HeadsConfig",
    "MemoryConfig",
    "NetworkConfig",
    "QatConfig",
    "ReductionConfig",
    "TeachingConfig",
    "TrainingConfig",
    "builtin_configs",
    "config_from_dict",
    "config_path",
    "config_to_dict",
    "load_config",
]
