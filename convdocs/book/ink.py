"""The colours that the book draws with, in figures and steppers alike."""

COLORS = "#2f7fd0", "#d2691e", "#2e9e5b", "#9a5fd0"  # on any page, light or dark
