"""Report on two versions: missing records are measured, then rendered as Markdown, HTML and figures."""
