"""Models as the API shows them: catalog, promotions, comparisons, evaluations and files."""
