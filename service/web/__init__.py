"""The web pages: what a person sees of the service, and how it reaches the browser."""
