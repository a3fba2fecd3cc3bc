"""What becomes of passages no check settles: alerts, deferrals, surge orders, expectations."""
