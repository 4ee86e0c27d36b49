"""What pages show of a source: stills, excerpts and outlines of its audio, copies that browsers play."""
