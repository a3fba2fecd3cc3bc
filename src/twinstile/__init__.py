"""twinstile: passenger health screening at transport hubs, after the "222" method."""
