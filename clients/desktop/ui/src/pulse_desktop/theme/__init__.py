"""How things look: the dashboard's design tokens, and the palette and style sheet made of them."""
