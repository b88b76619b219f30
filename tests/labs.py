"""What tests of the pages share on which the reader brings the picture: a network, and a hand."""

import base64
import json
import re

import numpy as np
from places import SITE

import convdocs
from convdocs import CNN

STROKES = {  # on a sheet of 100 × 100: column, row
    0: [[(50, 10), (30, 25), (25, 50), (30, 75), (50, 90), (70, 75), (75, 50), (70, 25), (50, 10)]],
    1: [[(50, 10), (50, 90)]],
    2: [[(25, 25), (45, 10), (70, 20), (70, 40), (25, 90), (75, 90)]],
    3: [[(30, 10), (70, 15), (68, 40), (45, 48), (70, 60), (68, 85), (28, 90)]],
    4: [[(45, 10), (25, 60), (80, 60)], [(60, 35), (58, 92)]],
    7: [[(25, 12), (75, 12), (45, 90)], [(35, 50), (70, 50)]],
}


def stroke(page, strokes, scale=2.24, left=0, top=0):
    box = page.locator(".sheet").bounding_box()
    for points in strokes:
        for number, (j, i) in enumerate(points):
            place = box["x"] + left + scale * j, box["y"] + top + scale * i
            page.mouse.move(*place, steps=2 if number else 1)
            if number == 0:
                page.mouse.down()
        page.mouse.up()


def embedded(name):
    """Return what the cells of a built page give its script, with arrays as arrays."""
    (text,) = re.findall(
        f'<script type="application/json" id="{name}-data">(.*?)</script>',
        (SITE / f"{name}.html").read_text("utf-8"),
    )

    def array(found):
        if "float32" not in found:
            return found
        return np.frombuffer(base64.b64decode(found["float32"]), "<f4").reshape(found["shape"])

    return json.loads(text, object_hook=array)


def trained():
    """Return the network whose weights are on the page."""
    model, state = CNN([]), {}
    for number, layer in enumerate(embedded("draw")["layers"]):
        kind = layer.pop("kind")
        arrays = {name: layer.pop(name) for name in ("weight", "bias") if name in layer}
        state |= {f"{number}.{name}": array for name, array in arrays.items()}
        model.layers.append(getattr(convdocs, kind)(**layer))
    model.load_state_dict(state)
    return model
