"""The classifier: a network that learns from images with labels, and says what an image shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from numpy.typing import ArrayLike

from . import _args, store
from ._args import Array, Path, Rng
from .architecture import described, named_arrays, rebuilt
from .layer import Layer
from .loss import softmax
from .network import Network, inferred
from .optim import Optimizer
from .training import batches, loop
from .training.parallel import Communicator


class CNN(Network):
    """A network for classes of images: layers in a row, from the image to the classes' scores.

    Parameters
    ----------
    layers : iterable of layers
        From the image to the scores of the classes.

    Attributes
    ----------
    layers : list of layers
    history : list of dict
        For each epoch of `fit`: the mean loss and the accuracy while training, and
        ``val_loss`` and ``val_accuracy`` if there was a validation set.

    Raises
    ------
    ValueError, TypeError
        If something in ``layers`` is not a layer, or one stands there twice.

    Examples
    --------
    >>> import numpy as np
    >>> from convdocs import CNN, Conv2d, Flatten, Linear, MaxPool2d, ReLU
    >>> model = CNN([Conv2d(1, 8, 3, padding=1, rng=0), ReLU(), MaxPool2d(2), Flatten(),
    ...              Linear(8 * 4 * 4, 10, rng=1)])
    >>> model(np.zeros((5, 1, 8, 8))).shape
    (5, 10)
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__(layers)
        self.history: list[dict[str, float]] = []

    def fit(
        self,
        X: ArrayLike | Iterable[tuple[ArrayLike, ArrayLike]],
        y: ArrayLike | None = None,
        epochs: int = 10,
        batch_size: int = 32,
        rng: Rng = None,
        optimizer: Optimizer | None = None,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        progress: bool | None = None,
        checkpoint: Path | None = None,
        comm: Communicator | None = None,
    ) -> Self:
        """Train on images with labels by steps against the gradient of the cross-entropy.

        Ctrl-C ends the training early, with a warning; what was learned so far stays. Of several
        processes it ends all, and what stays is the checkpoint.

        Parameters
        ----------
        X : array_like of shape (N, C, H, W), or iterable of batches
            Images. Of an array that is mapped from a file, only one batch is in memory at a time.
            Without ``y``, an iterable that gives pairs (images, labels), a batch each, and starts
            anew in each epoch; if it draws their order, then best with the same ``rng``. Each is
            checked when it comes: one that cannot be right ends the training with an error, and
            what was learned so far stays.
        y : array_like of shape (N,), optional
            Class numbers from 0 to K - 1; of shape (N, ...), where the scores are (N, K, ...), such
            as one for each pixel.
        epochs : int
            How often to go through all images.
        batch_size : int
            Images a step, where ``X`` is an array.
        rng : int or numpy.random.Generator, optional
            What the order of the images, and dropout, are drawn with.
        optimizer : optimiser, optional
            By default a new `Adam` with a learning rate of 0.003, which suits networks as small
            as those that one trains here. One that has moved another network is refused. Settings
            that it changes as it goes, such as a rate that falls, are part of a checkpoint; one
            that no file can hold, as an object, is refused with ``checkpoint``, but a function is
            taken to be the same one.
        validation : pair of arrays, optional
            Images and labels that are not learned from, but scored after each epoch.
        progress : bool, optional
            Whether to show a progress bar; by default on a terminal, and nowhere else.
        checkpoint : path-like, optional
            A file to go on from. Where there is none, it is written: at the start, after each
            epoch, and in a long one each minute. Where there is one, the same call goes on from
            it, and ends at the same weights to the last bit as if it had never been stopped. The
            file of another training is refused: one of other layers, settings, images or labels,
            or of another validation set (as far as `digest` sees them; what an iterable gives is
            not compared).
        comm : mpi4py.MPI.Comm, optional
            The processes that train together, as `world` returns them. Each makes the same call
            and takes its share of every batch; all end with the same weights. Batch normalisation
            is over each share, and dropout is drawn for each. An argument that is wrong or another
            on one of them is an error on all.

        Returns
        -------
        CNN
            The model itself.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be right; the message names it, and nothing is changed.

        Warns
        -----
        UserWarning
            Once, when the loss or a weight is no number any more, with the step and the epoch; or
            when a running statistic is none, with the epoch.
        """
        loop.train(
            self,
            self.history,
            X,
            y,
            epochs=epochs,
            batch_size=batch_size,
            rng=rng,
            optimizer=optimizer,
            validation=validation,
            progress=progress,
            path=checkpoint,
            comm=comm,
        )
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array_like of shape (N, C, H, W)
            Images.

        Returns
        -------
        ndarray of shape (N,), or (N, ...) of scores (N, K, ...)
            Class numbers; at a tie, the smallest.

        Raises
        ------
        ValueError, TypeError
            If the images do not fit the layers, or these give no scores of classes.
        """
        return self._scores(X).argmax(axis=1)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probability of each class for each image.

        Parameters
        ----------
        X : array_like of shape (N, C, H, W)
            Images.

        Returns
        -------
        ndarray of shape (N, K), or (N, K, ...)

        Raises
        ------
        ValueError, TypeError
            As of `predict`.
        """
        return softmax(self._scores(X), axis=1)

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy: the share of images whose predicted class is their label.

        Parameters
        ----------
        X : array_like of shape (N, C, H, W)
            Images.
        y : array_like of shape (N,)
            Class numbers, or as for `fit` one for each pixel: then it is the share of pixels.

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be right; the message names it.
        """
        images, labels = batches.examples(self.layers, "X", X, "y", y)
        return float((self.predict(images) == labels).mean())

    def save(self, path: Path) -> None:
        """Write layers and parameters to one file, without pickle.

        The file appears whole or not at all: an interrupted save leaves an old file as it was.

        Parameters
        ----------
        path : path-like
            Exactly this file is written; ``.npz`` is a fitting ending.

        Raises
        ------
        ValueError, TypeError
            If a layer is not one of the package's own, or ``path`` is no path or a device.
        OSError
            If no file can be written there, such as in the place of a folder or of a missing one.
        """
        arrays = named_arrays(self.layers)
        store.write(path, {"format": 1, "layers": described(self.layers)}, arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the model that `save` wrote; a subclass is built from the list of its layers.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        CNN

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError, TypeError, OSError
            If the file is damaged or not one of `save`, or ``path`` is no path or a folder.
        """
        description, arrays = store.read(path)
        try:
            if description["format"] != 1:
                raise ValueError(f"its format is {description['format']!r}, not 1")
            layers = rebuilt(description["layers"], arrays)
        except (ValueError, TypeError, KeyError) as error:
            message = f"path must be a model file of this version, got {path!r}: {error!r}"
            raise ValueError(message) from error
        return cls(layers)

    def _scores(self, X: ArrayLike) -> Array:
        """Return the scores of the classes for all images; no layer remembers anything."""
        scores = inferred(self.layers, "X", _args.numbers("X", X))
        batches.refuse_no_scores(scores)
        return scores
