"""The broker and the streams: commands down, reports up, who is there."""
