"""Sources to shards: the plan of a run, the task of one shard, and the pipeline over all."""
