"""Labels of captured images: feedback of clients, labelling by people, and the observations for estimates."""
