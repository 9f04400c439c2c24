"""Configurations that come with the package; installed as `keras_sge.configs`."""
