"""Pages benchmark: weight and speed of the web pages in Chromium."""
