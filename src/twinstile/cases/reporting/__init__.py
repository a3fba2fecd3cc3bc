"""What the law asks of whoever suspects a notifiable disease: to report it, within a time."""
