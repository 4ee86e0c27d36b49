"""The embedding store: one documented HDF5 format, its writer, readers and searches."""
