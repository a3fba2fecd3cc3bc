"""Events of a hub, sealed into a hash chain whose heads are signed and published."""
