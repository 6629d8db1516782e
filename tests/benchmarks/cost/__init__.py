"""What logging costs the training, beside what people use today: `make bench`."""
