"""What the window says, in English and German. Each area is a typed class: no language can lack a text."""
