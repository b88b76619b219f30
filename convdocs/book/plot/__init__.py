"""The book's figures. Needs ``pip install 'convdocs[plot]'``.

Each function returns a `Picture` that a notebook shows as SVG, sharp on any screen. Its ink follows
the page: dark on a light page, light on a dark one; a matplotlibrc or a cell's own settings change
nothing of it. Where a dict gives titles, a list gives none. An argument that cannot be right raises
a ``ValueError`` or ``TypeError`` that names it.
"""

from ..._extras import extra

with extra("plot"):
    from .charts import bands, bars, dots, histogram, lines, roofline, stacked_bars, timeline
    from .grids import confusion, numbers, pairs, patch_matrix, slides, tiles
    from .networks import connections, maps, onnx_graph, volumes
    from .picture import Picture
    from .pictures import detections, gallery, images, pencil

__all__ = [
    "Picture",
    "bands",
    "bars",
    "confusion",
    "connections",
    "detections",
    "dots",
    "gallery",
    "histogram",
    "images",
    "lines",
    "maps",
    "numbers",
    "onnx_graph",
    "pairs",
    "patch_matrix",
    "pencil",
    "roofline",
    "slides",
    "stacked_bars",
    "tiles",
    "timeline",
    "volumes",
]
