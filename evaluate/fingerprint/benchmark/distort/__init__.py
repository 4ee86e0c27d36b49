"""What happens to a clip before it is a query: a catalogue of distortions and the functions behind it."""
