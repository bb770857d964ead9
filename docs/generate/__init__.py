"""What of the documentation is made from the code: `python -m docs.generate` writes it, tests look for drift."""
