"""What is kept of hours without the service: decisions of devices, paper forms, tallies."""
