"""The desktop window: a thin shell over the agent of this machine."""
