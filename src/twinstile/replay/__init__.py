"""Another policy over stored checks, before it takes effect."""
