"""This machine's figures: time, and beside it the accuracy reached, for flatrank and its peers."""
