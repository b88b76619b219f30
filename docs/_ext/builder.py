"""A transform that knows for whom it works: from Sphinx 9 on, transforms are not told any more."""

from typing import ClassVar

from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.transforms.post_transforms import SphinxPostTransform


class ForBuilder(SphinxPostTransform):
    """A transform that asks the builder; its extension's ``setup`` calls `add`."""

    builder: ClassVar[Builder]


def told(app: Sphinx) -> None:
    """Tell the builder, once there is one."""
    ForBuilder.builder = app.builder


def add(app: Sphinx, *transforms: type[ForBuilder]) -> None:
    """Add transforms that are told the builder."""
    app.connect("builder-inited", told)
    for each in transforms:
        app.add_post_transform(each)
