"""Studies: many short runs of a recipe beside each other, to choose by and never to publish."""
