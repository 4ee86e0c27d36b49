"""What each data set's lists say about its files, one module a data set; `preprocess.catalogues.open_catalogue` opens them."""
