"""What the agent knows without any disk or network: readings, ranges, quota, the window and the schedule of sending."""
