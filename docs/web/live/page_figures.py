"""Where pyplot draws on a page: its figures go there when they are shown, or when the cell ends."""

import base64
import io
import sys

from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg


class FigureManager(FigureManagerBase):
    """Gives what is drawn to the stream that the cell prints to, which leads to the page."""

    @classmethod
    def pyplot_show(cls, *, block=None):
        from matplotlib import pyplot

        sys.stdout.flush()
        for number in pyplot.get_fignums():
            file = io.BytesIO()
            pyplot.figure(number).savefig(file, format="png", dpi=144, bbox_inches="tight")
            pyplot.close(number)
            sys.stdout.send("png", base64.b64encode(file.getvalue()).decode())


class FigureCanvas(FigureCanvasAgg):
    """A canvas of pixels."""

    manager_class = FigureManager
