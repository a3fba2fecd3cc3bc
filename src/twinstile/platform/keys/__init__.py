"""Master keys, data keys that can be destroyed, encryption, and signatures."""
