"""A fleet of simulated devices and agents in one process."""
