"""Labels, groups and splits from each data set's lists, one module a data set; `open_catalogue` chooses the module."""
