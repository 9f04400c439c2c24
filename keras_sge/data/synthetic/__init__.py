"""The built-in synthetic video set: four kinds of flying object that motion tells apart."""

from keras_sge.data.synthetic.synthetic_sky import SyntheticSky

__all__ = ["SyntheticSky"]
