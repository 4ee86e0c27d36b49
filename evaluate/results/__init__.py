"""The results format, the tables made from it, and the style of figures."""
