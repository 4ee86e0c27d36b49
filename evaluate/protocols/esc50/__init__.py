"""The ESC-50 protocol: five folds, a linear SVM, and training from scratch."""
