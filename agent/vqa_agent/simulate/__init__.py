"""Drawn scenes, made sound and simulated defects: for the demo, the tests, the benchmarks and the manuals' pictures.

scenes    clean moving pictures      (frames,) of (height, width, 3) RGB
sounds    clean sound                (channels, n) float32
defects   the same with a defect in it, from a start to an end second, at a severity
motion    the same for defects of movement and of the picture's frame, and colour bars
cases     every defect at three severities
gallery   pictures of them for the manual
encode    pictures and sound to a file, through a real encoder
"""
