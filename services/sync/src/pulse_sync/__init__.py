"""The sync service: people, roles and configuration that converge between the web and offline desktops."""
