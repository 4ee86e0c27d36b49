"""What each data set's lists say about its files, one module a data set; `preprocess.catalogue` opens them."""
