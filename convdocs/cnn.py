"""The network: layers in a row, and how they learn."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _args, store
from .architecture import agreeing, described, named_arrays, rebuilt
from .layer import fitting, in_a_row
from .loss import cross_entropy, cross_entropy_backward, softmax
from .optim import Adam, Optimizer
from .summary import Summary
from .training import batches
from .training.checkpoint import Training
from .training.parallel import Ranks

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from ._args import Array, Rng
    from .layer import Layer


class CNN:
    """Layers in a row: the output of each is the input of the next.

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
    TypeError
        If something in ``layers`` is not a layer.

    Examples
    --------
    >>> from convdocs import CNN, Conv2d, Flatten, Linear, MaxPool2d, ReLU
    >>> model = CNN([Conv2d(1, 8, 3, padding=1, rng=0), ReLU(), MaxPool2d(2), Flatten(),
    ...              Linear(8 * 4 * 4, 10, rng=1)])
    >>> model(np.zeros((5, 1, 8, 8))).shape
    (5, 10)
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = in_a_row(layers)
        for number, layer in enumerate(self.layers):
            if any(layer is other for other in self.layers[:number]):
                raise ValueError(f"layers[{number}] must be a layer of its own, got one twice")
        self.history: list[dict[str, float]] = []

    def __call__(self, x: ArrayLike, train: bool = False, rng: Rng = None) -> Array:
        """Return the output for images ``x``; each layer remembers what it saw.

        Parameters
        ----------
        x : array_like of shape (N, C, H, W)
            Images.
        train : bool
            Whether layers behave as in training (dropout, batch normalisation).
        rng : int or numpy.random.Generator, optional
            What dropout is drawn with.

        Returns
        -------
        ndarray
            The last layer's output; for a classifier, scores of shape (N, K).
        """
        y, train = _args.numbers("x", x), _args.flag("train", train)
        if rng is not None:
            rng = _args.generator(rng)  # one stream for all layers
        for number, layer in enumerate(self.layers):
            with fitting("x", number, layer):
                y = layer(y, train=train, rng=rng)
        return y

    def backward(self, dy: ArrayLike) -> Array:
        """Return the gradient for the last images, and set every layer's ``grads``.

        Parameters
        ----------
        dy : array_like
            The gradient of the loss for the output.

        Returns
        -------
        ndarray of the shape of the images

        Raises
        ------
        RuntimeError
            If the network has not been called yet.
        """
        dx = _args.numbers("dy", dy)
        for layer in reversed(self.layers):
            dx = layer.backward(dx)
        return dx

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
        checkpoint: str | os.PathLike[str] | None = None,
        comm: Any = None,
    ) -> CNN:
        """Train on images with labels by steps against the gradient of the cross-entropy.

        Ctrl-C ends the training early, with a warning; what was learned so far stays.

        Parameters
        ----------
        X : array_like of shape (N, C, H, W), or iterable of batches
            Images. Of an array that is mapped from a file, only one batch is in memory at a time.
            Without ``y``, an iterable that gives pairs (images, labels), a batch each, and starts
            anew in each epoch; if it draws their order, then best with the same ``rng``.
        y : array_like of shape (N,), optional
            Class numbers from 0 to K - 1.
        epochs : int
            How often to go through all images.
        batch_size : int
            Images a step, where ``X`` is an array.
        rng : int or numpy.random.Generator, optional
            What the order of the images, and dropout, are drawn with.
        optimizer : optimiser, optional
            By default a new `Adam` with a learning rate of 0.003, which suits networks as small
            as those that one trains here.
        validation : pair of arrays, optional
            Images and labels that are not learned from, but scored after each epoch.
        progress : bool, optional
            Whether to show a progress bar; by default on a terminal, and nowhere else.
        checkpoint : path-like, optional
            A file to go on from. Where there is none, it is written: at the start, after each
            epoch, and in a long one each minute. Where there is one, the same call goes on from
            it, and ends at the same weights to the last bit as if it had never been stopped.
        comm : mpi4py.MPI.Comm, optional
            The processes that train together, as `parallel.world` returns them. Each makes the
            same call and takes its share of every batch; all end with the same weights. Batch
            normalisation is over each share, and dropout is drawn for each.

        Returns
        -------
        CNN
            The model itself.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be right; the message names it, and nothing is changed.
        """
        ranks, epochs = Ranks(comm), _args.integer("epochs", epochs, 0)
        source = batches.of(X, y, batch_size, epochs, self._examples)
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise TypeError(f"validation must be a pair (X, y), got {validation!r}")
            validation = self._examples(
                "validation[0]", validation[0], "validation[1]", validation[1]
            )
        seeded, rng = rng is not None, _args.generator(rng)
        optimizer = Adam(lr=3e-3) if optimizer is None else optimizer
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be one of convdocs.optim, got {optimizer!r}")
        shown = sys.stderr.isatty() if progress is None else _args.flag("progress", progress)
        path = checkpoint if ranks.rank == 0 else None
        training = Training(self, optimizer, rng, source, seeded, path)
        training.begin(ranks, epochs)
        bar = Bar(epochs, source.steps, shown and ranks.rank == 0)
        try:
            with ranks:
                while training.epoch < epochs:
                    for batch in training.batches():
                        noise = ranks.noise(rng, training.epoch, training.step)
                        training.advance(*self._learn(*batch, optimizer, ranks, noise))
                        bar.advance(training)
                    ranks.average(self.layers, 0, 0, 0, 0)  # has none of them more batches?
                    n, loss, hits = training.sums
                    entry = {"loss": loss / n, "accuracy": hits / n}
                    if validation is not None:
                        n, loss, hits = self._held(*validation, ranks)
                        entry |= {"val_loss": loss / n, "val_accuracy": hits / n}
                    self.history.append(entry)
                    training.turn()
        except KeyboardInterrupt:
            warnings.warn(f"training interrupted: {bar.done} steps were made", stacklevel=2)
        finally:
            bar.close()
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array_like of shape (N, C, H, W)
            Images.

        Returns
        -------
        ndarray of shape (N,)
            Class numbers; at a tie, the smallest.
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
        ndarray of shape (N, K)
        """
        return softmax(self._scores(X))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy: the share of images whose predicted class is their label.

        Parameters
        ----------
        X : array_like of shape (N, C, H, W)
            Images.
        y : array_like of shape (N,)
            Class numbers.

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be right; the message names it.
        """
        X, y = self._examples("X", X, "y", y)
        return _accuracy(self._scores(X), y)

    def summary(self, input_shape: tuple[int, int, int]) -> Summary:
        """Return what each layer makes of an image: a table to print, and a list to compute with.

        Parameters
        ----------
        input_shape : tuple of int
            (C, H, W) of one image.

        Returns
        -------
        Summary
            One `Row` a layer. Multiply-accumulates are for one image and without biases. The
            receptive field is the patch of the image that one output sees, borders not cut off.

        Raises
        ------
        ValueError, TypeError
            If ``input_shape`` is not a shape, or does not fit the first layer.

        Examples
        --------
        >>> from convdocs import Conv2d, MaxPool2d, ReLU
        >>> print(CNN([Conv2d(1, 6, 5), ReLU(), MaxPool2d(2)]).summary((1, 28, 28)))
        layer      output shape  parameters  multiply-accumulates  receptive field
        --------------------------------------------------------------------------
        Conv2d     6 x 24 x 24          156                86,400            5 x 5
        ReLU       6 x 24 x 24            0                     0            5 x 5
        MaxPool2d  6 x 12 x 12            0                     0            6 x 6
        --------------------------------------------------------------------------
        total                           156                86,400
        """
        return Summary.of(self.layers, input_shape)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers under ``torch.nn.Sequential``'s names.

        Returns
        -------
        dict of str to ndarray
            ``'0.weight'``, ``'0.bias'`` and so on: the layer's number and the parameter's name;
            of batch normalisation also ``'1.running_mean'`` and so on.
        """
        return {key: parameter.copy() for key, parameter in named_arrays(self.layers).items()}

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Overwrite all parameters and buffers, in place and in their dtype.

        Parameters
        ----------
        state : dict of str to array_like
            As `state_dict` returns it.

        Raises
        ------
        ValueError, TypeError
            If a key is missing or superfluous, or an array has another shape or no real numbers;
            nothing is changed then.
        """
        ours = named_arrays(self.layers)
        copies = {key: array.copy() for key, array in agreeing(ours, state).items()}
        for key, array in copies.items():
            ours[key][...] = array

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write layers and parameters to one file, without pickle.

        The file appears whole or not at all: an interrupted save leaves an old file as it was.

        Parameters
        ----------
        path : path-like
            Exactly this file is written; ``.npz`` is a fitting ending.

        Raises
        ------
        TypeError
            If a layer is not one of the package's own.
        """
        store.write(
            path, {"format": 1, "layers": described(self.layers)}, named_arrays(self.layers)
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CNN:
        """Return the model that `save` wrote.

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
        ValueError
            If the file is damaged or not one of `save`.
        """
        description, arrays = store.read(path)
        try:
            if description["format"] != 1:
                raise ValueError(f"its format is {description['format']!r}, not 1")
            model = cls(rebuilt(description["layers"], arrays))
        except (ValueError, TypeError, KeyError) as error:
            message = f"path must be a model file of this version, got {path!r}: {error!r}"
            raise ValueError(message) from error
        return model

    def __repr__(self) -> str:
        """Show the layers, one a line."""
        lines = "".join(f"    {layer!r},\n" for layer in self.layers)
        return f"CNN([\n{lines}])" if lines else "CNN([])"

    def _gradients(self, dy: Array) -> None:
        """Set every layer's ``grads``, as `backward` does, and go no further down than needed."""
        first = next((n for n, layer in enumerate(self.layers) if layer.params), 0)
        for layer in reversed(self.layers[first + 1 :]):
            dy = layer.backward(dy)
        for layer in self.layers[first : first + 1]:
            layer.learn(dy)

    def _learn(
        self,
        X: Array,
        y: Array,
        batch: Array,
        optimizer: Optimizer,
        ranks: Ranks,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Make one step with the images that ``batch`` numbers; return them, loss and hits."""
        share, weight = ranks.share(len(batch))
        x, labels = X[batch[share]], y[batch[share]]
        logits = self(x, train=True, rng=rng)
        self._gradients(cross_entropy_backward(logits, labels))
        sums = _sums(logits, labels, weight)
        sums = ranks.average(self.layers, weight, len(batch), *sums)
        optimizer.step(self.layers)
        return len(batch), *sums

    def _held(self, X: Array, y: Array, ranks: Ranks) -> Sequence[float]:
        """Return the number of images that are not learned from, their loss and hits."""
        share, weight = ranks.share(len(X))
        return len(X), *ranks.total(*_sums(self._scores(X[share]), y[share], weight))

    def _scores(self, X: ArrayLike, name: str = "X", batch_size: int = 256) -> Array:
        """Return the output for all images, a batch at a time; no layer remembers anything."""
        X = _args.numbers(name, X)
        if X.ndim < 2:
            raise ValueError(f"{name} must have the shape (N, C, H, W), got {X.shape}")
        parts = []
        for start in range(0, max(1, len(X)), batch_size):
            y = X[start : start + batch_size]
            for number, layer in enumerate(self.layers):
                with fitting(name, number, layer):
                    y = layer.forward(y)
            if y.ndim != 2:
                need = "layers must end in scores of shape (N, K), as Flatten and Linear give them"
                raise ValueError(f"{need}, got {y.shape}")
            parts.append(y)
        return np.concatenate(parts)

    def _examples(
        self, X_name: str, X: ArrayLike, y_name: str, y: ArrayLike
    ) -> tuple[Array, Array]:
        """Check images and their labels against each other and against the network."""
        X = _args.numbers(X_name, X)
        if X.ndim == 0 or X.size == 0:
            raise ValueError(f"{X_name} must hold at least one image, got shape {X.shape}")
        return X, _args.labels(y_name, y, len(X), self._scores(X[:1], X_name).shape[1])


class Bar:
    """A progress bar on one line of the terminal."""

    def __init__(self, epochs: int, steps: int | None, shown: bool) -> None:
        self.epochs, self.steps, self.shown, self.done = epochs, steps, shown, 0

    def advance(self, training: Training) -> None:
        """Count one step, and draw the bar; of an iterable without a length, only its number."""
        self.done += 1
        if self.shown:
            n, loss, _ = training.sums
            part = f"step {training.step}"
            if self.steps is not None:
                part = f"[{'#' * (20 * training.step // self.steps):20}]"
            text = f"epoch {training.epoch + 1}/{self.epochs} {part} loss {loss / n:.4f}"
            print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line."""
        if self.shown and self.done:
            print(file=sys.stderr)


def _accuracy(logits: Array, y: Array) -> float:
    """Return the share of rows whose largest score is at the label."""
    return float((logits.argmax(axis=1) == y).mean())


def _sums(logits: Array, y: Array, weight: int) -> Sequence[float]:
    """Return loss and hits, summed over ``weight`` images: all of them, or none."""
    hits = (logits.argmax(axis=1) == y)[:weight].sum()
    return weight * cross_entropy(logits, y), int(hits)
