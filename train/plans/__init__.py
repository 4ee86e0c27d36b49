"""The temporal plan of each clip (start, speed, direction) and its labels."""
