"""HTTP routes of declarations: of travellers, and of the service desk."""
