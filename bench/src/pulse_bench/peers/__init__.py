"""What our figures stand beside: the simplest thing that does something like it, each run as a process of its own."""
