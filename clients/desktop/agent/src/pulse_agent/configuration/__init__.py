"""What enrolment left on this machine: the device's identity, where the broker is, and its key."""
