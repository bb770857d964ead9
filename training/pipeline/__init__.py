"""Training pipeline, from a request to a published version. Start reading here."""
