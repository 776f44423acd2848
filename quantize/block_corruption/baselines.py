"""What the network is compared with, beside the rule of the damaged area: FFmpeg's blockdetect."""

from __future__ import annotations

from fractions import Fraction

import av


def blockdetect(frame: av.VideoFrame) -> float:
    """FFmpeg's measure of block edges in a picture; about 1 where there are none."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    measure, sink = graph.add("blockdetect"), graph.add("buffersink")
    source.link_to(measure)
    measure.link_to(sink)
    graph.configure()
    graph.push(frame)
    return float(graph.pull().metadata["lavfi.block"])
