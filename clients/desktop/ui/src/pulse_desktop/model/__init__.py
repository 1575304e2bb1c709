"""What is shown, worked out without a toolkit: states from the agent in, words and figures out."""
