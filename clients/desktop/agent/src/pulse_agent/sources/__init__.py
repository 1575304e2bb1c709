"""Where readings come from: host metrics, simulated values, other programs' lines, and plug-ins."""
