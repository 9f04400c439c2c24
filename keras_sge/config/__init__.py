"""Configurations: small YAML files read into frozen, validated objects."""

from keras_sge.config.anchor_config import AnchorConfig
from keras_sge.config.augmentation_config import AugmentationConfig
from keras_sge.config.config import (
    Config,
    builtin_configs,
    config_from_dict,
    config_path,
    config_to_dict,
    load_config,
)
from keras_sge.config.data_config import DataConfig
from keras_sge.config.entropy_config import EntropyConfig
from keras_sge.config.memory_config import MemoryConfig
from keras_sge.config.neck_config import NeckConfig
from keras_sge.config.network_config import NetworkConfig
from keras_sge.config.qat_config import QatConfig
from keras_sge.config.training_config import TrainingConfig

__all__ = [
    "AnchorConfig",
    "AugmentationConfig",
    "Config",
    "DataConfig",
    "EntropyConfig",
    "MemoryConfig",
    "NeckConfig",
    "NetworkConfig",
    "QatConfig",
    "TrainingConfig",
    "builtin_configs",
    "config_from_dict",
    "config_path",
    "config_to_dict",
    "load_config",
]
