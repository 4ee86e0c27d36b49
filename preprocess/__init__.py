"""Raw videos to WebDataset shards of film strips and log-mel spectrograms."""
