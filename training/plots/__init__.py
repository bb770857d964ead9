"""Figure style, image grids and page templates shared by the reports."""
