"""Pictures are exact, or small and still themselves; maps have colours, and finds have frames."""

import base64
import html
import io
import itertools
import re

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, features

from convdocs import data
from convdocs.book import plot
from convdocs.book.ink import BLUE, FIGURES, GREEN, ORANGE, RED
from convdocs.book.plot.picture import Picture

COLOR = data.photo(color=True)[:, 100:300]
LEVELS = np.array([[0, 51, 255], [153, 102, 204]])  # of the 256 that a screen has
X = np.arange(12).reshape(3, 4)


def pictures(figure, mode="RGB"):
    """Return the kind and the pixels, from 0 to 255, of each picture in a figure."""
    svg = figure._repr_svg_()
    for kind, text in re.findall(r'"data:image/(\w+);base64,([^"]*)"', svg):
        # matplotlib stores them upside down, and turns them by transform="scale(1 -1)…"
        yield kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert(mode))[::-1]


def colours(pixels):
    """Return the colours of a picture, each once, as numbers: rows would take 100 times as long."""
    return np.unique(pixels.reshape(-1, 3) @ [1 << 16, 1 << 8, 1])


def frames(axes):
    """Return the boxes (left, top, right, bottom) that are framed."""
    return [box.get_bbox().extents.tolist() for box in axes.patches]


@pytest.mark.parametrize("page", ["", "phone"])
def test_words_of_frames_that_share_a_corner_stand_apart(page, monkeypatch):
    monkeypatch.setenv(FIGURES, page)
    found = {(2, 2): "a", (2.2, 2): "b", (2, 2.2): "c"}
    figure = plot.detections(np.zeros((40, 40)), found, height=20)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_word_that_would_lie_on_others_is_left_out_unless_its_frame_is_right():
    picture = np.zeros((40, 40))
    picture[2:12, 2:12] = 1  # ink, which a word leaves free if it can
    found = {(2 + number / 10, 2): str(number) for number in range(9)}
    (axes,) = plot.detections(picture, found, height=20, right=[(2.8, 2)]).axes
    words = {text.get_text(): text.get_position() for text in axes.texts}
    assert next(iter(words)) == "8"
    assert len(words) == 4  # one in each corner, that on ink the last
    assert [x > 12 or y > 12 for x, y in words.values()] == [True, True, True, False]
    assert len(axes.patches) == 9


def test_a_photograph_is_small_and_still_itself():
    figure = plot.images({"one": COLOR, "two": COLOR[:, ::-1]})
    assert len(figure._repr_svg_()) < 150_000
    kinds, shown = zip(*pictures(figure), strict=True)
    assert kinds == ("webp", "webp")
    for pixels, expected in zip(shown, [COLOR, COLOR[:, ::-1]], strict=True):
        size = pixels.shape[1::-1]
        wanted = Image.fromarray((255 * expected).astype(np.uint8).transpose(1, 2, 0)).resize(size)
        assert np.abs(pixels.astype(float) - wanted).mean() < 5


def test_without_webp_a_photograph_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(features, "check", lambda feature: feature != "webp")
    ((kind, _),) = pictures(plot.images({"one": COLOR}))
    assert kind == "png"


def test_words_that_look_like_a_pictures_address_stay_words():
    words = "xlink:href=data:image/png;base64,AAAA"
    figure = plot.images({words: COLOR})
    (picture,) = pictures(figure)
    assert np.ptp(picture[1]) > 200
    assert words in html.unescape(figure._repr_svg_())


def wide(array, size=(7.2, 7.2), **options):
    """Return a figure that an array fills, without a frame."""
    figure = Picture(size)
    figure.add_axes((0, 0, 1, 1)).imshow(array, **options)
    return figure


@pytest.mark.parametrize("side", [28, 64])
def test_a_picture_of_few_colours_is_exact_however_large(rng, side):
    ((kind, pixels),) = pictures(wide(rng.random((side, side)) > 0.5))
    assert kind == "png"
    assert len(colours(pixels)) == 2


@pytest.mark.slow
def test_a_picture_is_wider_than_webp_allows(rng):
    ((kind, pixels),) = pictures(wide(rng.random((12, 3000)), (90, 1), aspect="auto"))
    assert kind == "png"
    assert pixels.shape[1] > 16_383


class Own(Artist):
    """An artist that draws pixels, under a name or none, twice."""

    def __init__(self, pixels, name=None):
        super().__init__()
        self.pixels, self.name = pixels, name

    def draw(self, renderer):
        gc = renderer.new_gc()
        gc.set_gid(self.name)
        renderer.draw_image(gc, 10, 10, self.pixels)
        renderer.draw_image(gc, 50, 50, self.pixels // 2)


def test_pixels_are_drawn_without_strength_and_none_at_all():
    figure = Picture((4, 3))
    for pixels in np.zeros((0, 5, 4), np.uint8), np.full((5, 5, 3), 200, np.uint8):
        figure.add_artist(Own(pixels))
    assert [pixels.max() for _, pixels in pictures(figure)] == [200, 100]


@pytest.mark.parametrize("name", [None, "mine"])
def test_a_picture_keeps_the_name_that_it_has(name):
    figure = Picture((4, 3))
    figure.add_artist(Own(np.full((5, 5, 4), 200, np.uint8), name))
    one, other = re.findall(r'<image[^>]* id="(\w+)"', figure._repr_svg_())
    assert (one == other == name) if name else (one != other)


GRIDS = {  # an array, and the pixels that a screen shows for it
    "grey": (LEVELS / 255, np.stack([LEVELS] * 3, -1)),
    "beyond black and white": (LEVELS / 102, np.stack([[[0, 128, 255], [255] * 3]] * 3, -1)),
    "colour": (
        np.stack([LEVELS, LEVELS.T[:2, [0, 1, 1]], 255 - LEVELS]) / 255,
        np.stack([LEVELS, LEVELS.T[:2, [0, 1, 1]], 255 - LEVELS], -1),
    ),
    "wide": (np.eye(2, 64), np.stack([255 * np.eye(2, 64)] * 3, -1)),
    "true and false": (np.eye(2, dtype=bool), np.stack([255 * np.eye(2)] * 3, -1)),
}


@pytest.mark.parametrize(("array", "pixels"), GRIDS.values(), ids=GRIDS)
def test_a_small_grid_is_exact(array, pixels):
    ((kind, shown),) = pictures(plot.images({"grid": array}))
    H, W = pixels.shape[:2]
    rows, columns = (
        (np.arange(n) + 0.5) * m / n for n, m in zip((H, W), shown.shape, strict=False)
    )
    assert kind == "png"
    assert_array_equal(shown[np.ix_(rows.astype(int), columns.astype(int))], pixels.astype(int))
    assert len(colours(shown)) == len(colours(pixels))  # squares, with no colours between


RED_WHITE_BLUE = np.array([[-2.0, 0, 2]])
LONELY = np.zeros((30, 30))  # a single number below zero, less than half a percent of all
LONELY[15, 2] = -1


def test_a_map_is_red_below_zero_blue_above_and_the_page_at_zero():
    ((_, shown),) = pictures(plot.images({"map": RED_WHITE_BLUE}), "RGBA")
    red, zero, blue = shown[shown.shape[0] // 2, shown.shape[1] * np.array([1, 3, 5]) // 6]
    assert to_hex(red / 255) == RED
    assert to_hex(blue / 255) == BLUE
    assert (red[3], zero[3], blue[3]) == (255, 0, 255)


def test_a_map_with_one_number_below_zero_shows_that_alone():
    ((_, shown),) = pictures(plot.images(LONELY), "RGBA")
    seen = shown[..., 3] > 0
    assert 0 < seen.mean() < 2 / LONELY.size


@pytest.mark.skipif(not features.check("webp"), reason="no WebP")
def test_a_large_map_is_small_and_its_zeros_stay_the_page(rng):
    noise = rng.normal(size=(150, 150))
    noise[:50] = 0
    ((kind, shown),) = pictures(plot.images(noise), "RGBA")
    assert kind == "webp"
    assert (shown[: len(shown) // 4, :, 3] == 0).all()


def test_a_box_frames_whole_pixels():
    figure = plot.images({"a": X / 11, "b": X / 11}, boxes=[(1, 2, 2, 1)])
    assert [frames(axes) for axes in figure.axes] == [[[1.5, 0.5, 2.5, 2.5]]] * 2


@pytest.mark.parametrize(("count", "columns"), [(1, 3), (4, 3), (4, 2), (2, 1)])
def test_each_picture_has_its_title_and_none_is_empty(count, columns):
    names = [f"picture {number}" for number in range(count)]
    figure = plot.images(dict.fromkeys(names, X / 11), columns)
    assert [axes.get_title() for axes in figure.axes] == names
    across = {round(axes.get_position().x0, 2) for axes in figure.axes}
    assert len(across) == min(count, columns)


@pytest.mark.parametrize(
    "several", [[X / 11, X[:2]], (X, X, X), [COLOR], [X.tolist(), COLOR.tolist()]]
)
def test_a_list_of_pictures_has_no_titles(several):
    axes = plot.images(several).axes
    assert [each.get_title() for each in axes] == [""] * len(several)
    for each, array in zip(axes, several, strict=True):
        assert each.images[0].get_array().shape[:2] == np.shape(array)[-2:]


@pytest.mark.parametrize("one", [X / 11, (X / 11).tolist(), COLOR])
def test_a_picture_alone_has_no_title(one):
    (axes,) = plot.images(one).axes
    assert axes.get_title() == ""
    assert axes.images[0].get_array().shape[:2] == np.shape(one)[-2:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), "pictures must hold something to show, got {}"),
        (([],), "pictures must hold something to show, got []"),
        ((None,), "pictures must hold real numbers, got None"),
        (([X, None],), "pictures[1] must hold real numbers, got None"),
        (({"a": [1, 2]},), "pictures['a'] must have the shape (H, W) or (3, H, W), got (2,)"),
        ((np.zeros((5, 8, 8)),), "pictures must have the shape (H, W) or (3, H, W), got (5, 8, 8)"),
        (({"a": [[0, np.nan]]},), "pictures['a'] must be finite, got nan"),
        (({"a": np.zeros((0, 3))},), "pictures['a'] must hold at least one number, got the shape"),
        (({"a": np.zeros((210, 10))},), "pictures['a'] must be at most 20 times as high as wide"),
        ((X, "3"), "columns must be an integer, got '3'"),
        ((X, 0), "columns must be at least 1, got 0"),
        (
            (X, 3, [(1, 2, 3)]),
            "boxes must be (row, column, height, width) each, got the shape (1, 3)",
        ),
        (
            (np.eye(4), 3, [(0, 0, 2, 2), (4, 0, 2, 2)]),
            "boxes must frame something of the 4 x 4 pixels, got row 4, column 0",
        ),
        ((np.eye(4), 3, [(1, -2, 2, 2)]), "boxes must frame something of the 4 x 4 pixels, got"),
    ],
)
def test_what_images_cannot_show_is_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        plot.images(*arguments)


PENCIL = {  # an array, and how dark the pencil draws it
    "shades": (np.arange(201.0), 1 - np.minimum(np.arange(201) / 199, 1)),  # 199: 99.5 percent
    "nothing": (np.zeros((2, 3)), np.ones((2, 3))),
    "even": (np.full((2, 2), 7.0), np.zeros((2, 2))),
    "integers": ([[0, 4]], [[1, 0]]),
}


@pytest.mark.parametrize(("array", "expected"), PENCIL.values(), ids=PENCIL)
def test_pencil(array, expected):
    assert_allclose(plot.pencil(array), expected, atol=1e-12)


@pytest.mark.parametrize("array", [None, "a", [], [[np.nan]], [[1, -1]], 1j, [[1], [1, 2]]])
def test_what_a_pencil_cannot_draw_is_named(array):
    with pytest.raises((ValueError, TypeError), match=r"^array must "):
        plot.pencil(array)


def test_a_gallery_shows_each_picture_under_its_label():
    shown = np.arange(5 * 4).reshape(5, 2, 2) / 20
    axes = plot.gallery(shown, [7, "b", 7, "", "e"], columns=3).axes
    assert [each.get_title() for each in axes] == ["7", "b", "7", "", "e"]
    for each, array in zip(axes, shown, strict=True):
        (image,) = each.images
        assert_array_equal(image.get_array(), array)
        assert image.get_clim() == (0, 1)
        assert image.get_cmap().name == "gray"
    assert len({round(each.get_position().x0, 2) for each in axes}) == 3


@pytest.mark.parametrize(
    ("each", "strengths"), [(True, [[1, 1], [1, 1]]), (False, [[1 / 4, 1 / 4], [1, 1]])]
)
def test_a_gallery_of_maps_has_a_scale_each_or_one(each, strengths):
    axes = plot.gallery([[[-1, 1]], [[4, -4]]], each=each).axes
    shown = [image.get_array()[0, :, 3].tolist() for every in axes for image in every.images]
    assert shown == strengths


def test_a_gallery_is_as_large_as_its_pictures_say():
    assert plot.gallery(np.zeros((4, 2, 2)), columns=2, size=0.5).get_size_inches().tolist() == [
        1,
        1.5,
    ]
    assert plot.gallery(np.zeros((2, 2, 2)), columns=10**9).get_figwidth() == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X,), "pictures must have the shape (n, H, W), got (3, 4)"),
        (([X, X[:1]],), "pictures must be a rectangular array"),
        (([X], "a"), "labels must be a list of texts, got 'a'"),
        (([X], ["a", "b"]), "labels must be 1 texts, got 2"),
        (([X], [None]), "labels[0] must be a text or a number, got None"),
        (([X], (), 8, 1), "each must be True or False, got 1"),
        (([X], (), 8, True, 0), "size must be a number from 0.1 to 10, got 0"),
    ],
)
def test_what_a_gallery_cannot_show_is_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        plot.gallery(*arguments)


def test_detections_frame_and_name_each_place():
    (axes,) = plot.detections(np.zeros((10, 20)), {(0, 1): 7, (2, 10): "three"}, height=4).axes
    assert frames(axes) == [[0.5, -0.5, 4.5, 3.5], [9.5, 1.5, 13.5, 5.5]]
    assert [text.get_text() for text in axes.texts] == ["7", "three"]
    assert [text.get_position() for text in axes.texts] == [(0.7, -0.3), (9.7, 1.7)]
    assert {to_hex(box.get_edgecolor()) for box in axes.patches} == {ORANGE}


def test_detections_that_are_right_are_green_and_thick():
    found = {(0, 1): 7, (2, 10): 3, (2, 2): 5}
    (axes,) = plot.detections(np.zeros((10, 20)), found, height=4, right=[(2, 10), (9, 9)]).axes
    assert [to_hex(box.get_edgecolor()) for box in axes.patches] == [ORANGE, GREEN, ORANGE]
    thin, thick, _ = (box.get_linewidth() for box in axes.patches)
    assert thick > 2 * thin


def test_detections_show_ink_on_paper_whatever_its_strength():
    (axes,) = plot.detections([[0, 0.25, 1, 1.5]], {}).axes
    assert axes.images[0].get_array().tolist() == [[1, 0.75, 0, 0]]
    assert axes.images[0].get_cmap().name == "gray"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], {}), "picture must have the shape (H, W), got (2,)"),
        ((X, [(0, 1)]), "found must be a dict of places, got [(0, 1)]"),
        ((X, {0: 7}), "found must be (row, column) each, got the shape (1,)"),
        ((X, {(0, 1): None}), "a word of found must be a text or a number, got None"),
        ((np.eye(3), {(30, 40): 5}), "found must frame something of the 3 x 3 pixels, got row 30"),
        ((np.eye(3), {(0, -2): 5}, 2), "found must frame something of the 3 x 3 pixels, got row 0"),
        ((X, {}, 0), "height must be a number from 1 to 1000, got 0"),
        ((X, {}, 8, [3]), "right must be (row, column) each, got the shape (1,)"),
    ],
)
def test_what_detections_cannot_show_is_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        plot.detections(*arguments)
