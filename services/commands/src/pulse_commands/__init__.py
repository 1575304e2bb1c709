"""The commands service: signed commands to devices, tracked to an honest end."""
