"""Deployable models that come with the package; installed as `edge.models`."""
