"""Entry rules of countries: what a certificate must hold, tried out and judged by."""
