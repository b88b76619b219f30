"""The residual block in PyTorch, which has none of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class Residual(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A block that adds its input to what its layers make of it: ``x + f(x)``.

    Parameters
    ----------
    layers, shortcut : iterable of torch.nn.Module
        As for `convdocs.Residual`.
    """

    def __init__(self, layers: Iterable[Any], shortcut: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(*layers)
        self.shortcut = torch.nn.Sequential(*(shortcut or ()))  # of nothing: it returns its input

    def forward(self, x: Any) -> Any:
        """Return the sum of both ways."""
        return self.body(x) + self.shortcut(x)
