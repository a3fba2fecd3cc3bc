"""What a traveller reads and corrects with the receipt of a declaration, and nothing else."""
