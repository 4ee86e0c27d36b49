"""The fine-tuning protocol of UCF101 and HMDB51: training on one side of each split, 10 clips x 3 crops on the other."""
