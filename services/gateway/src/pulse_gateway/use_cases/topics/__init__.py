"""One module per topic of the live socket."""
