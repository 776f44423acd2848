"""Lip sync: two towers that bring a mouth and a voice to the same point when they belong together.

config.toml     every hyper-parameter
simulate.py     recordings to mouths and sound, made once; each training sequence drawn anew from them
network.py      the towers
train.py        the whole way: folds, the clips' own offsets, the final towers, INT8, manifest
evaluate.py     offsets of fragments of known shift, by speaker
"""
