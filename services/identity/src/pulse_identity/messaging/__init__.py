"""The broker's accounts."""
