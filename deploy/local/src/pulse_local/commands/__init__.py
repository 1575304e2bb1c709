"""The commands of `pulse`, one file for each group. They talk to the supervisor through files and signals only."""
