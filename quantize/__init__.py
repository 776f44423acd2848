"""The workshop: where the networks are made. Run from a checkout with the extra [quantize]; the agent needs none of it.

    int8.py         a float network to the INT8 files that are shipped
    export.py       a PyTorch module to ONNX
    manifest.py     what was made, and how good it is, into models/manifest.toml
    cache.py        prepared data, made once
    setup.py        one configuration, one seed
    bounds.py       how sure a score is
    samples.py      what agents in the field were least sure about
    <model>/        one folder per model: config.toml, simulate.py, train.py, evaluate.py

A training leaves its float network beside the prepared data as NAME.fp32.onnx, for benchmarks/models.py. Each model is
made again by `python -m quantize.<model>.train --media DIR`, all of them by `make models MEDIA=DIR`.
"""
