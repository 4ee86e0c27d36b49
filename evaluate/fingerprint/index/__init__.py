"""The descriptors of an archive: parts on disk, the searchable library, search."""
