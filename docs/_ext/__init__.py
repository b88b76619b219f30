"""What the book adds to Sphinx, an idea in each file."""
