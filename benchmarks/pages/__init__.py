"""How heavy the web pages are and how soon they can be used, in a real browser."""
