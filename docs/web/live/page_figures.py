"""Where pyplot draws on a page: its figures go there when they are shown, or when the cell ends."""

import base64
import io

from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from convdocs.book import trained

LARGEST = 50  # inches of a side: what is much larger takes more memory than there is


class FigureManager(FigureManagerBase):
    """Gives what is drawn to the page, between what the cell prints."""

    @classmethod
    def pyplot_show(cls, *, block=None):
        from matplotlib import pyplot

        out = trained.SITE.out  # sys.stdout may be led elsewhere
        out.flush()
        try:
            for number in pyplot.get_fignums():
                figure, file = pyplot.figure(number), io.BytesIO()
                wide, high = figure.get_size_inches()
                if max(wide, high) > LARGEST:
                    need = f"figsize is in inches, and a page shows {LARGEST} of them at most"
                    raise ValueError(f"{need}, got {wide:g} x {high:g}")
                figure.savefig(file, format="png", dpi=144, bbox_inches="tight")
                out.send("png", base64.b64encode(file.getvalue()).decode())
        finally:
            pyplot.close("all")  # else one that cannot be drawn would end every cell that follows


class FigureCanvas(FigureCanvasAgg):
    """A canvas of pixels."""

    manager_class = FigureManager
