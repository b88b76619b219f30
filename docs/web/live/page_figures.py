"""Where pyplot draws on a page: its figures go there when they are shown, or when the cell ends."""

import base64
import io

from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from convdocs.book import trained


class FigureManager(FigureManagerBase):
    """Gives what is drawn to the page, between what the cell prints."""

    @classmethod
    def pyplot_show(cls, *, block=None):
        from matplotlib import pyplot

        out = trained.SITE.out  # sys.stdout may be led elsewhere
        out.flush()
        for number in pyplot.get_fignums():
            file = io.BytesIO()
            pyplot.figure(number).savefig(file, format="png", dpi=144, bbox_inches="tight")
            pyplot.close(number)
            out.send("png", base64.b64encode(file.getvalue()).decode())


class FigureCanvas(FigureCanvasAgg):
    """A canvas of pixels."""

    manager_class = FigureManager
